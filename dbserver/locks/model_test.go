package locks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

// place is a resource of the model: a key of a shard, or the shard ("").
type place struct {
	shard int
	key   string
}

// request is a call of the model, and of the table at the same time.
type request struct {
	id    int
	owner int
	at    place // where it waits
	want  place
	call  *call
	stop  context.CancelCauseFunc
	until time.Time
	ends  string // as the model says: "" while it waits
}

// whole says whether the request is for the whole shard.
func (r *request) whole() bool { return r.want.key == "" }

// model is what a lock table should do, with lists and without any care for cost.
type model struct {
	patient []bool
	shares  map[int][]int // shard → owners
	sole    map[int]int   // shard → owner
	keys    map[place]int // → owner
	queues  map[place][]*request
}

func (m *model) has(owner, shard int) bool { return slices.Contains(m.shares[shard], owner) }

// blockers are all owners that a request waits for, at its place in its queue.
func (m *model) blockers(r *request) (all []int) {
	add := func(o int) {
		if o != r.owner {
			all = append(all, o)
		}
	}
	sole, owned := m.sole[r.want.shard]
	switch {
	case r.at.key != "":
		add(m.keys[r.at])
	case r.whole():
		for _, o := range m.shares[r.want.shard] {
			add(o)
		}
	case owned:
		add(sole)
	}
	for _, before := range m.queues[r.at] {
		if before == r {
			break
		}
		if r.at.key != "" || r.whole() || before.whole() {
			add(before.owner)
		}
	}
	return all
}

// reaches says whether an owner waits, in the end, for another.
func (m *model) reaches(from, to int, seen map[int]bool) bool {
	if seen[from] {
		return false
	}
	seen[from] = true
	for _, q := range m.queues {
		for _, r := range q {
			if r.owner != from {
				continue
			}
			for _, o := range m.blockers(r) {
				if o == to || m.reaches(o, to, seen) {
					return true
				}
			}
		}
	}
	return false
}

// ownIn is a request of the same owner in a queue, one for the whole if there is one; -1 if there is none.
func (m *model) ownIn(q []*request, r *request) int {
	for _, whole := range []bool{true, false} {
		if i := slices.IndexFunc(q, func(o *request) bool { return o.owner == r.owner && o.whole() == whole }); i >= 0 {
			return i
		}
	}
	return -1
}

// enqueue lets a request wait, unless it must not.
func (m *model) enqueue(r *request, at place) {
	r.at = at
	q, i := m.queues[at], len(m.queues[at])
	if own := m.ownIn(q, r); own >= 0 {
		more := r.whole() && !q[own].whole()
		for i = own + 1; i < len(q) && (q[i].owner == r.owner || more && !q[i].whole()); {
			i++
		}
	}
	if at.key == "" && m.has(r.owner, at.shard) {
		i = 0
		for i < len(q) && m.has(q[i].owner, at.shard) {
			i++
		}
	}
	m.queues[at] = slices.Insert(q, i, r)
	switch {
	case !m.patient[r.owner] && slices.ContainsFunc(m.blockers(r), func(o int) bool { return m.patient[o] }):
		m.finish(r, "long")
	case m.reaches(r.owner, r.owner, map[int]bool{}):
		m.finish(r, "deadlock")
	}
}

// finish takes a request out of its queue.
func (m *model) finish(r *request, ends string) {
	r.ends = ends
	m.queues[r.at] = slices.DeleteFunc(m.queues[r.at], func(o *request) bool { return o == r })
}

// request is Key and Whole.
func (m *model) request(r *request) {
	shard := place{shard: r.want.shard}
	free := m.freeFor(r) && (len(m.queues[shard]) == 0 || m.has(r.owner, shard.shard))
	if !free {
		m.enqueue(r, shard)
		if r.ends != "" {
			m.admit(shard.shard)
		}
		return
	}
	r.at = shard
	m.enter(r)
}

func (m *model) freeFor(r *request) bool {
	sole, owned := m.sole[r.want.shard]
	if owned {
		return sole == r.owner
	}
	others := slices.DeleteFunc(slices.Clone(m.shares[r.want.shard]), func(o int) bool { return o == r.owner })
	return !r.whole() || len(others) == 0
}

// enter lets a request into the shard, and on to its key.
func (m *model) enter(r *request) {
	m.finish(r, "")
	if !m.has(r.owner, r.want.shard) {
		m.shares[r.want.shard] = append(m.shares[r.want.shard], r.owner)
	}
	if r.whole() {
		m.sole[r.want.shard] = r.owner
	}
	_, owned := m.sole[r.want.shard]
	holder, held := m.keys[r.want]
	switch {
	case owned, held && holder == r.owner:
		r.ends = "granted"
	case !held:
		m.keys[r.want] = r.owner
		r.ends = "granted"
	default:
		m.enqueue(r, r.want)
	}
}

// admit lets in those at the head of a shard's queue.
func (m *model) admit(shard int) {
	at := place{shard: shard}
	for len(m.queues[at]) > 0 && m.freeFor(m.queues[at][0]) {
		owner := m.queues[at][0].owner
		m.enter(m.queues[at][0])
		for _, r := range slices.Clone(m.queues[at]) { // goroutines of the same owner
			if r.owner == owner && m.freeFor(r) && (!r.whole() || m.sole[shard] == owner && m.owned(shard)) {
				m.enter(r)
			}
		}
	}
}

func (m *model) owned(shard int) bool {
	_, owned := m.sole[shard]
	return owned
}

// giveUp ends a wait.
func (m *model) giveUp(r *request, why string) {
	m.finish(r, why)
	if r.at.key == "" {
		m.admit(r.at.shard)
	}
}

// release is Release. order has the shards of the owner in the order in which the table goes through them, and then has
// those where it waits.
func (m *model) release(owner int, order, then []int) {
	for _, q := range m.queues {
		for _, r := range slices.Clone(q) {
			if r.owner == owner {
				m.finish(r, "released")
			}
		}
	}
	for _, shard := range order {
		for at, holder := range m.keys {
			if at.shard == shard && holder == owner {
				m.handOn(at)
			}
		}
		m.shares[shard] = slices.DeleteFunc(m.shares[shard], func(o int) bool { return o == owner })
		if sole, owned := m.sole[shard]; owned && sole == owner {
			delete(m.sole, shard)
		}
		m.admit(shard)
	}
	for _, shard := range then {
		m.admit(shard)
	}
}

func (m *model) handOn(at place) {
	if len(m.queues[at]) == 0 {
		delete(m.keys, at)
		return
	}
	next := m.queues[at][0].owner
	m.keys[at] = next
	for _, r := range slices.Clone(m.queues[at]) {
		if r.owner == next {
			m.finish(r, "granted")
		}
	}
}

const (
	shards  = 2
	owners  = 5 // the last two are brief
	keys    = 3
	nothing = "waits"
)

// sides are the model and the table.
type sides struct {
	t        *rapid.T
	m        *model
	table    *Table
	shards   []*Shard
	owners   []*Owner
	requests []*request
}

var errStopped = errors.New("the client has gone")

// kind says how a call of the table has ended.
func kind(r *request) string {
	switch err := r.call.err; {
	case !r.call.over():
		return nothing
	case err == nil:
		return "granted"
	case errors.Is(err, ErrLong):
		return "long"
	case errors.Is(err, apierror.Deadlock):
		return "deadlock"
	case errors.Is(err, apierror.LockTimeout):
		return "late"
	case errors.Is(err, errStopped):
		return "stopped"
	case errors.Is(err, errReleased):
		return "released"
	default:
		return err.Error()
	}
}

// ask begins a request on both sides. Brief owners have one goroutine.
func (b *sides) ask(t *rapid.T) {
	r := &request{id: len(b.requests), owner: rapid.IntRange(0, owners-1).Draw(t, "owner")}
	r.want.shard = rapid.IntRange(0, shards-1).Draw(t, "shard")
	if rapid.IntRange(0, 5).Draw(t, "whole") > 0 {
		r.want.key = name(rapid.IntRange(1, keys).Draw(t, "key"))
	}
	if !b.m.patient[r.owner] && len(b.waiting(r.owner)) > 0 {
		t.Skip("it has one goroutine")
	}
	limit := time.Duration(rapid.IntRange(1, 6).Draw(t, "limit"))*time.Second + time.Duration(r.id+1)*time.Millisecond // no two end together
	r.until = time.Now().Add(limit)
	ctx, stop := context.WithCancelCause(t.Context())
	r.stop = stop
	if s, o := b.shards[r.want.shard], b.owners[r.owner]; r.whole() {
		r.call = whole(ctx, s, o, limit)
	} else {
		r.call = key(ctx, s, o, r.want.key, limit)
	}
	b.requests = append(b.requests, r)
	b.m.request(r)
}

// waiting are the requests of an owner that wait, or those of all (-1).
func (b *sides) waiting(owner int) (all []*request) {
	for _, r := range b.requests {
		if r.ends == "" && (owner < 0 || r.owner == owner) {
			all = append(all, r)
		}
	}
	return all
}

// release releases an owner on both sides.
func (b *sides) release(owner int) {
	var order, then []int
	b.table.mu.Lock()
	for st := b.owners[owner].stakes; st != nil; st = st.other {
		order = append(order, slices.Index(b.shards, st.shard))
	}
	for _, w := range b.owners[owner].waits {
		then = append(then, slices.Index(b.shards, w.shard))
	}
	b.table.mu.Unlock()
	b.table.Release(b.owners[owner])
	b.m.release(owner, order, then)
}

// sleep lets time pass: waits end in the order of their limits.
func (b *sides) sleep(d time.Duration) {
	until := time.Now().Add(d)
	for {
		var next *request
		for _, r := range b.waiting(-1) {
			if !r.until.After(until) && (next == nil || r.until.Before(next.until)) {
				next = r
			}
		}
		if next == nil {
			break
		}
		b.m.giveUp(next, "late")
	}
	time.Sleep(d)
}

// check compares both sides.
func (b *sides) check(t *rapid.T) {
	synctest.Wait()
	for _, r := range b.requests {
		want := r.ends
		if want == "" {
			want = nothing
		}
		require.Equal(t, want, kind(r), "request %d of owner %d for %v", r.id, r.owner, r.want)
	}
	requireSound(t, b.table, b.shards...)
	for o := range owners {
		require.False(t, b.m.reaches(o, o, map[int]bool{}), "a deadlock goes on")
	}
	b.table.mu.Lock()
	defer b.table.mu.Unlock()
	for i, s := range b.shards {
		should, is := map[string]int{}, held(s)
		for at, o := range b.m.keys {
			if at.shard == i {
				should[at.key] = o
			}
		}
		require.Len(t, is, len(should))
		for k, o := range should {
			require.Same(t, b.owners[o], is[k].holder.owner, "%s of shard %d has another holder", k, i)
		}
		if sole, owned := b.m.sole[i]; owned {
			require.Same(t, b.owners[sole], s.sole.owner)
		}
		for st := s.stakes; st != nil; st = st.next {
			require.Contains(t, b.m.shares[i], slices.Index(b.owners, st.owner))
		}
	}
}

// The table does what a simple list of holders and queues does: one holder for a key, turns in the order of arrival, deadlocks
// refused when and only when they come about; and nothing is left at the end.
func TestTableIsLikeItsModel(t *testing.T) {
	seen := map[string]int{}
	defer func() {
		for _, ends := range []string{"granted", "long", "deadlock", "late", "stopped", "released"} {
			require.Positive(t, seen[ends], "no request ended as %s", ends)
		}
	}()
	rapid.Check(t, func(t *rapid.T) {
		bubbles.Rapid(t, func(t *rapid.T) {
			b := &sides{t: t, table: NewTable(0), m: &model{shares: map[int][]int{}, sole: map[int]int{}, keys: map[place]int{}, queues: map[place][]*request{}}}
			for i := range shards {
				b.shards = append(b.shards, b.table.Shard(fmt.Sprint("s", i)))
			}
			for i := range owners {
				o := tx(fmt.Sprint(i))
				if i >= owners-2 {
					o = &Owner{}
				}
				b.owners, b.m.patient = append(b.owners, o), append(b.m.patient, o.Patient)
			}
			t.Repeat(map[string]func(*rapid.T){
				"ask": b.ask, "ask another": b.ask, "ask a third": b.ask,
				"release": func(t *rapid.T) { b.release(rapid.IntRange(0, owners-1).Draw(t, "owner")) },
				"stop": func(t *rapid.T) {
					all := b.waiting(-1)
					if len(all) == 0 {
						t.Skip("none waits")
					}
					r := rapid.SampledFrom(all).Draw(t, "request")
					r.stop(errStopped)
					b.m.giveUp(r, "stopped")
				},
				"sleep": func(*rapid.T) { b.sleep(time.Second) },
				"":      b.check,
			})
			b.end(t)
			for _, r := range b.requests {
				seen[r.ends]++
			}
		})
	})
}

// end releases owners that wait for nothing until all have ended: nothing waits for ever.
func (b *sides) end(t *rapid.T) {
	for round := 0; len(b.waiting(-1)) > 0; round++ {
		require.Less(t, round, 100, "those that wait wait for each other")
		for o := range owners {
			if len(b.waiting(o)) == 0 {
				b.release(o)
			}
		}
		b.check(t)
	}
	for o := range owners {
		b.release(o)
	}
	b.check(t)
	requireFree(t, b.table, b.shards...)
	for _, r := range b.requests {
		r.stop(nil)
	}
}
