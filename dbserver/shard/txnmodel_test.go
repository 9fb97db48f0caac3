package shard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/locks"
	"stasis/internal/apierror"
)

// replicated is the quorum of a group: it sends a record to the followers that are in sync, and commits it, unless they are not heard.
type replicated struct{ g *branch }

func (replicated) Admit() error { return nil }

func (q replicated) Await(_ context.Context, seq uint64, sync bool) error {
	if q.g.deaf {
		return errPending
	}
	q.g.replicate()
	if sync {
		for i := range q.g.inSync {
			require.NoError(q.g.t, q.g.replicas[i].env.Engine.SyncAll())
		}
	}
	if q.g.committed() < seq {
		return errPending
	}
	return nil
}

// branch is a group of replicas of one shard among several.
type branch struct {
	*group
	name string
	deaf bool // the followers are not heard

	applied map[TxnID]map[string]string // what transactions have done here, by their committed records
	at      map[TxnID]uint64            // the record
}

// replicate brings all in-sync replicas up to date, and commits.
func (b *branch) replicate() {
	s := b.shards[b.leader]
	b.acked[b.leader] = s.State().Last.Seq
	for i := range b.inSync {
		for i != b.leader && b.acked[i] < b.acked[b.leader] {
			st := b.shards[i].State()
			b.send(b.leader, i, max(st.Committed, min(b.acked[i], st.Last.Seq))+1, 1000, b.committed())
			if b.acked[i] < b.acked[b.leader] {
				b.send(b.leader, i, st.Committed+1, 1000, b.committed())
			}
		}
	}
	b.commit()
}

// powerCut takes from all replicas what they have not synced. Those that were in sync go on with the best of what is left.
func (b *branch) powerCut() {
	inSync := maps.Clone(b.inSync)
	for i := range b.shards {
		b.crash(i)
	}
	b.inSync = inSync
	b.lead(slices.Min(slices.Collect(maps.Keys(inSync))))
	end := b.shards[b.leader].State().Last.Seq
	b.states = b.states[:min(uint64(len(b.states)), end+1)]
	for id, at := range b.at {
		if at > end {
			delete(b.at, id)
			delete(b.applied, id)
		}
	}
	b.commitAll()
}

// commitAll has all replicas take over the leader's log, whatever they had.
func (b *branch) commitAll() {
	b.replicate()
	for i := range b.shards {
		if !b.inSync[i] {
			b.copyTo(b.leader, i)
			b.inSync[i] = true
		}
	}
	b.replicate()
}

// note keeps what a transaction has done.
func (b *branch) note(seq uint64, r Record) {
	last := r.Changes[len(r.Changes)-1]
	if last.Kind != Decided && (last.Kind != Resolved || !committed(last)) {
		return
	}
	id, err := txnOf(last.Key)
	require.NoError(b.t, err)
	require.NotContains(b.t, b.at, id, "transaction %s is applied twice", id)
	did := map[string]string{}
	for _, c := range r.Changes[:len(r.Changes)-1] {
		did[c.Key] = string(c.Value)
	}
	b.at[id], b.applied[id] = seq, did
}

// deal is a transaction of the model.
type deal struct {
	id      TxnID
	parts   map[*branch]*piece
	home    *branch
	over    bool
	decided bool // its decision was acknowledged
}

// piece is what it has on one shard.
type piece struct {
	*Part
	on     *Shard // that leads
	owner  *locks.Owner
	wrote  map[string]string // what it does to documents: revisions; "": removed
	locked map[string]bool
	whole  bool
	closed bool // it is prepared, decided or ended
}

func (p *piece) end() {
	p.End()
	p.closed = true
	p.on.env.Locks.Release(p.owner)
}

// market is several shards, each with several replicas, and transactions over them.
type market struct {
	t        *rapid.T
	branches []*branch
	deals    map[TxnID]*deal
	last     TxnID
	verdicts map[TxnID]bool // what anybody has been told
}

func newMarket(t *rapid.T) *market {
	m := &market{t: t, deals: map[TxnID]*deal{}, verdicts: map[TxnID]bool{}}
	for i := range 2 {
		b := &branch{group: newGroup(t), name: fmt.Sprint("shard ", i), applied: map[TxnID]map[string]string{}, at: map[TxnID]uint64{}}
		b.quorum, b.noted = replicated{b}, b.note
		b.lead(0)
		m.branches = append(m.branches, b)
	}
	return m
}

func (m *market) branch(t *rapid.T) *branch { return rapid.SampledFrom(m.branches).Draw(t, "shard") }

// open are the transactions that go on.
func (m *market) open() (all []*deal) {
	for _, d := range m.deals {
		if !d.over {
			all = append(all, d)
		}
	}
	slices.SortFunc(all, func(a, b *deal) int { return int(a.id) - int(b.id) })
	return all
}

// gone ends what is open on a server that is about to crash.
func (m *market) gone(b *branch, n int) {
	for _, d := range m.open() {
		if p := d.parts[b]; p != nil && p.on == b.shards[n] {
			m.abort(d)
		}
	}
}

// part is what a transaction has on a shard, begun if need be; nil if it ends because the shard has another leadership.
func (m *market) part(d *deal, b *branch) *piece {
	p := d.parts[b]
	if p == nil {
		s := b.shards[b.leader]
		p = &piece{on: s, owner: locks.Transaction(d.id.String(), "", time.Time{}), wrote: map[string]string{}, locked: map[string]bool{}}
		var err error
		if p.Part, err = s.Transactions().Begin(d.id, p.owner, PartLimits{}); err != nil {
			require.ErrorIs(m.t, err, apierror.NotLeader)
			require.Less(m.t, s.State().Committed, b.begun)
			return nil
		}
		d.parts[b] = p
	}
	return p
}

// abort ends a transaction that nobody has decided.
func (m *market) abort(d *deal) {
	d.over = true
	for _, p := range d.parts {
		if !p.closed {
			p.end()
		}
	}
}

// operate does an operation of a transaction.
func (m *market) operate(t *rapid.T, d *deal, b *branch) {
	p := m.part(d, b)
	if p == nil {
		return
	}
	if rapid.IntRange(0, 19).Draw(t, "truncate") == 0 {
		switch err := p.Truncate(t.Context()); {
		case errors.Is(err, ErrPartGone):
			m.abort(d)
		case errors.Is(err, apierror.LockTimeout), errors.Is(err, errPending), errors.Is(err, apierror.Conflict):
			p.whole = err == nil || p.whole || !errors.Is(err, apierror.LockTimeout)
		default:
			require.NoError(t, err)
			p.whole, p.wrote = true, map[string]string{"*": ""}
		}
		return
	}
	b.written++
	op := put(genKey.Draw(t, "key"), b.written)
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		op = dbclient.Op{Kind: dbclient.OpRemove, Key: op.Key}
	case 1:
		op = dbclient.Op{Kind: dbclient.OpRead, Key: op.Key}
	}
	results, err := p.Documents(cancelled(), dbclient.DocumentsRequest{Collection: "c", Ops: []dbclient.Op{op}})
	if errors.Is(err, ErrPartGone) {
		m.abort(d)
		return
	}
	if errors.Is(err, errPending) { // it depends on what is not committed, and is done all the same
		m.abort(d)
		return
	}
	require.NoError(t, err)
	r := results[0]
	switch {
	case r.Error == nil && op.Kind == dbclient.OpInsert:
		p.wrote[op.Key] = r.Rev
	case r.Error == nil && op.Kind == dbclient.OpRemove:
		p.wrote[op.Key] = ""
	case r.Error != nil && (errors.Is(r.Error, apierror.LockTimeout) || errors.Is(r.Error, apierror.Cancelled)):
		return
	}
	if op.Kind != dbclient.OpRead {
		p.locked[op.Key] = true
	}
}

// cancelled is the context of one who does not wait.
func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// deafly runs f; sometimes the followers are not heard meanwhile.
func (m *market) deafly(b *branch, f func() error) error {
	b.deaf = rapid.IntRange(0, 4).Draw(m.t, "deaf") == 0
	defer func() { b.deaf = false }()
	return f()
}

// commit commits a transaction, or fails on the way.
func (m *market) commit(t *rapid.T, d *deal) {
	var wrote []*branch
	for _, b := range m.branches {
		if p := d.parts[b]; p != nil && p.Wrote() {
			wrote = append(wrote, b)
		}
	}
	if len(wrote) == 0 {
		m.abort(d)
		return
	}
	d.home = wrote[len(wrote)-1]
	others := []dbclient.TxnShard{}
	for _, b := range wrote[:len(wrote)-1] {
		p := d.parts[b]
		err := m.deafly(b, func() error { return p.Prepare(t.Context(), dbclient.TxnShard{Shard: d.home.name}) })
		p.closed = !errors.Is(err, ErrPartGone)
		if err != nil {
			m.abort(d)
			return
		}
		others = append(others, dbclient.TxnShard{Shard: b.name})
	}
	p := d.parts[d.home]
	err := m.deafly(d.home, func() error { return p.Decide(t.Context(), others, false) })
	if errors.Is(err, ErrPartGone) {
		m.abort(d)
		return
	}
	require.True(t, err == nil || errors.Is(err, apierror.ConnectionLost), "%v", err)
	p.closed = true
	p.on.env.Locks.Release(p.owner)
	m.abort(d) // where it has only read
	d.decided = err == nil && len(others) > 0
}

// outcome asks the home of a transaction, which is abandoned if it is open.
func (m *market) outcome(id TxnID, home *branch) (commit, known bool) {
	if d := m.deals[id]; !d.over {
		m.abort(d)
	}
	home.replicate() // a leader serves when what it began with is committed
	_, found, err := home.shards[home.leader].Transactions().Decision(m.t.Context(), id)
	require.NoError(m.t, err)
	if told, before := m.verdicts[id]; before {
		require.Equal(m.t, told, found, "transaction %s: it was told otherwise", id)
	}
	require.True(m.t, found || !m.deals[id].decided, "transaction %s: its decision is lost", id)
	m.verdicts[id] = found
	return found, true
}

func (m *market) named(name string) *branch {
	i := slices.IndexFunc(m.branches, func(b *branch) bool { return b.name == name })
	return m.branches[i]
}

// resolve asks for what is prepared on a shard, and ends it.
func (m *market) resolve(b *branch) {
	b.replicate()
	s := b.shards[b.leader]
	all, err := s.Transactions().Prepared()
	require.NoError(m.t, err)
	for _, p := range all {
		commit, _ := m.outcome(p.ID, m.named(p.Home.Shard))
		found, err := s.Transactions().Resolve(m.t.Context(), p.ID, commit, true)
		require.NoError(m.t, err)
		require.True(m.t, found)
		if x := m.deals[p.ID].parts[b]; x.on == s {
			s.env.Locks.Release(x.owner)
		}
	}
}

// forget drops the decisions of a shard that all others have applied.
func (m *market) forget(b *branch) {
	b.replicate()
	s := b.shards[b.leader]
	all, err := s.Transactions().Decisions()
	require.NoError(m.t, err)
	for _, d := range all {
		if !m.deals[d.ID].over {
			m.abort(m.deals[d.ID])
		}
		_, found, err := s.Transactions().Decision(m.t.Context(), d.ID)
		require.NoError(m.t, err)
		require.True(m.t, found)
		for _, o := range d.Others {
			at := m.named(o.Shard)
			at.replicate()
			_, err := at.shards[at.leader].Transactions().Resolve(m.t.Context(), d.ID, true, true)
			require.NoError(m.t, err)
			if x := m.deals[d.ID].parts[at]; x.on == at.shards[at.leader] {
				x.on.env.Locks.Release(x.owner)
			}
			require.Contains(m.t, at.applied, d.ID, "transaction %s is committed, and not on %s", d.ID, o.Shard)
		}
		m.verdicts[d.ID] = true
	}
	ids := make([]TxnID, 0, len(all))
	for _, d := range all {
		ids = append(ids, d.ID)
	}
	require.NoError(m.t, s.Transactions().Forget(m.t.Context(), ids))
}

// read reads a key as anybody does, without waiting.
func (m *market) read(b *branch, key string) {
	s := b.shards[b.leader]
	if s.State().Committed < b.begun {
		return // it does not serve yet
	}
	results, err := s.Documents(cancelled(), dbclient.DocumentsRequest{Ops: []dbclient.Op{{Kind: dbclient.OpRead, Key: key}}})
	require.NoError(m.t, err)
	if r := results[0]; r.Error != nil && !errors.Is(r.Error, apierror.DocumentNotFound) {
		require.ErrorIs(m.t, r.Error, apierror.Cancelled)
		return
	}
	for id, d := range m.deals {
		p := d.parts[b]
		if p == nil || d.home == nil || d.home == b {
			continue
		}
		_, writes := p.wrote[key]
		if _, all := p.wrote["*"]; !writes && !all {
			continue
		}
		seen := d.home.at[id] // 0: not yet
		if seen > 0 {
			require.Contains(m.t, b.at, id, "transaction %s is seen on %s, and %q on %s is what it was", id, d.home.name, key, b.name)
		}
	}
}

// wholesome compares what transactions have done with what they had been told, and locks with what is open.
func (m *market) wholesome() {
	for _, b := range m.branches {
		b.check()
		for id, did := range b.applied {
			d := m.deals[id]
			require.NotNil(m.t, d)
			want := d.parts[b].wrote
			for key, value := range did {
				rev := ""
				if value != "" {
					doc, err := decodeDocument([]byte(value))
					require.NoError(m.t, err)
					rev = doc.rev()
				}
				if key == "" {
					key = "*"
				}
				require.Contains(m.t, want, key)
				require.Equal(m.t, want[key], rev, "transaction %s on %s: %q", id, b.name, key)
			}
			for key, rev := range want {
				require.True(m.t, rev == "" || did[key] != "", "transaction %s on %s has lost %q", id, b.name, key)
			}
			commit, told := m.verdicts[id]
			require.True(m.t, commit || !told, "transaction %s is aborted, and applied on %s", id, b.name)
		}
		m.lockedAsOpen(b)
	}
}

// lockedAsOpen: keys are locked by what is open or prepared, and by nothing else.
func (m *market) lockedAsOpen(b *branch) {
	s := b.shards[b.leader]
	want := map[string]bool{}
	for _, d := range m.deals {
		p := d.parts[b]
		if p == nil {
			continue
		}
		mine := p.on == s && p.Part.lead == s.r.lead && !p.closed
		doubt := s.doubts.get(d.id)
		for _, key := range []string{"a", "b", "c", "aa", "a-b"} {
			_, writes := p.wrote[key]
			_, all := p.wrote["*"]
			_ = writes
			want[key] = want[key] || mine && (p.whole || p.locked[key])
			want[key] = want[key] || doubt != nil && doubt.resolved == 0 && (all || slices.Contains(doubt.keys, key))
			want[key] = want[key] || doubt != nil && p.on == s && p.Part.lead == s.r.lead && (p.whole || p.locked[key])
		}
	}
	probe := &locks.Owner{Patient: true}
	for key, locked := range want {
		err := s.locks.Key(m.t.Context(), probe, key, 0)
		s.env.Locks.Release(probe)
		require.Equal(m.t, locked, err != nil, "%s: is %q locked? %v", b.name, key, err)
	}
}

// settle ends everything, and looks that nothing is left.
func (m *market) settle() {
	for _, d := range m.open() {
		m.abort(d)
	}
	for _, b := range m.branches {
		b.commitAll()
	}
	for _, b := range m.branches {
		m.resolve(b)
	}
	for _, b := range m.branches {
		m.forget(b)
	}
	m.wholesome()
	for _, b := range m.branches {
		b.commitAll()
		b.replicate()
		sums := map[uint64]bool{}
		for i, s := range b.shards {
			_, err := s.Accept(Batch{Tenure: b.tenure, Prev: b.shards[b.leader].State().Last, Commit: b.committed()})
			require.True(m.t, err == nil || i == b.leader)
			sum, _, err := s.Checksum(m.t.Context())
			require.NoError(m.t, err)
			sums[sum] = true
			documents := uint64(0)
			require.NoError(m.t, s.r.st.each(m.t.Context(), s.env.Engine, s.r.st.area, func(key string, d *document) { documents += sumOf(key, d.encode()) }))
			require.Equal(m.t, documents, sum, "something of a transaction is left")
		}
		require.Len(m.t, sums, 1, "replicas differ")
		whole := &locks.Owner{Patient: true}
		require.NoError(m.t, b.shards[b.leader].locks.Whole(m.t.Context(), whole, 0), "a lock is left")
	}
}

// A transaction is done on all its shards or on none, whoever leads and whatever is lost, taken back or copied on the way; what is
// promised is not forgotten; nobody sees a part of it before and not the others after; and nothing is left of it.
func TestTransactionsAreAllOrNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMarket(t)
		defer func() {
			for _, b := range m.branches {
				for _, o := range b.replicas {
					o.close()
				}
			}
		}()
		actions := m.transactions()
		maps.Copy(actions, m.faults())
		t.Repeat(actions)
		m.settle()
	})
}

func (m *market) transactions() map[string]func(*rapid.T) {
	some := func(t *rapid.T) *deal {
		all := m.open()
		if len(all) == 0 {
			t.Skip("none is open")
		}
		return rapid.SampledFrom(all).Draw(t, "transaction")
	}
	return map[string]func(*rapid.T){
		"begin": func(t *rapid.T) {
			if len(m.open()) < 4 {
				m.last++
				m.deals[m.last] = &deal{id: m.last, parts: map[*branch]*piece{}}
			}
		},
		"operate":       func(t *rapid.T) { m.operate(t, some(t), m.branch(t)) },
		"operate again": func(t *rapid.T) { m.operate(t, some(t), m.branch(t)) },
		"commit":        func(t *rapid.T) { m.commit(t, some(t)) },
		"abort":         func(t *rapid.T) { m.abort(some(t)) },
		"resolve":       func(t *rapid.T) { m.resolve(m.branch(t)) },
		"forget":        func(t *rapid.T) { m.forget(m.branch(t)) },
		"read":          func(t *rapid.T) { m.read(m.branch(t), genKey.Draw(t, "key")) },
		"":              func(t *rapid.T) { m.wholesome() },
	}
}

func (m *market) faults() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"write": func(t *rapid.T) {
			b := m.branch(t)
			b.deaf = true
			b.write()
			b.deaf = false
		},
		"replicate": func(t *rapid.T) { m.branch(t).replicate() },
		"leave":     func(t *rapid.T) { b := m.branch(t); delete(b.inSync, rapid.SampledFrom(b.others()).Draw(t, "who")) },
		"join": func(t *rapid.T) {
			b := m.branch(t)
			b.send(b.leader, rapid.SampledFrom(b.others()).Draw(t, "who"), b.committed()+1, 1000, b.committed())
			b.commitAll()
		},
		"crash": func(t *rapid.T) {
			b := m.branch(t)
			n := rapid.SampledFrom(b.others()).Draw(t, "who")
			m.gone(b, n)
			b.crash(n)
		},
		"another leader": func(t *rapid.T) {
			b := m.branch(t)
			b.lead(rapid.SampledFrom(slices.Sorted(maps.Keys(b.inSync))).Draw(t, "leader"))
		},
		"power cut": func(t *rapid.T) {
			if rapid.IntRange(0, 2).Draw(t, "seldom") == 0 {
				b := m.branch(t)
				for n := range b.shards {
					m.gone(b, n)
				}
				b.powerCut()
			}
		},
	}
}
