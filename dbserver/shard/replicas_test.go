package shard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	dbclient "stasis/dbserver/client"
)

// errPending is the answer of a quorum that has not decided yet.
var errPending = errors.New("not decided")

// undecided is a quorum that never waits: the test commits by itself.
type undecided struct{}

func (undecided) Admit() error                              { return nil }
func (undecided) Await(context.Context, uint64, bool) error { return errPending }

// group is three replicas and what an agency would say of them. What is acknowledged
// is kept as the documents that there were after each record.
type group struct {
	t        *rapid.T
	replicas []*opened
	shards   []*Shard
	synced   []bool // nothing of what it acknowledged can be lost
	inSync   map[int]bool
	tenure   Tenure
	leader   int
	begun    uint64         // last record of its log when it began
	acked    map[int]uint64 // replica → record up to which it answered this leader
	states   []map[string]string
	written  int
	copies   uint64
	quorum   Quorum
	noted    func(seq uint64, r Record) // nil, or what it tells of records that are acknowledged
}

func newGroup(t *rapid.T) *group {
	g := &group{t: t, inSync: map[int]bool{0: true, 1: true, 2: true}, states: []map[string]string{{}}, synced: make([]bool, 3), quorum: undecided{}}
	for range 3 {
		o := open(t, vfs.NewCrashableMem(), &Clock{}, Retention{Entries: uint64(rapid.SampledFrom([]int{6, 1000}).Draw(t, "retention")), Bytes: 1 << 20})
		s, err := Create(o.env, "s1")
		require.NoError(t, err)
		g.replicas, g.shards = append(g.replicas, o), append(g.shards, s)
	}
	g.lead(0)
	return g
}

// committed is the number of the last acknowledged record.
func (g *group) committed() uint64 { return uint64(len(g.states) - 1) }

// lead makes an in-sync replica the leader, as package replica does: it has the
// longest log of those it can ask, which always are enough to have everything.
func (g *group) lead(n int) {
	g.tenure, g.leader, g.acked = Tenure{Term: g.tenure.Term + 1, Reboot: 1}, n, map[int]uint64{}
	best := n
	for i := range g.shards {
		if g.inSync[i] && g.shards[i].State().Last.Compare(g.shards[best].State().Last) > 0 {
			best = i
		}
	}
	_, err := g.shards[n].Promise(g.tenure)
	require.NoError(g.t, err)
	if best != n {
		g.send(best, n, g.shards[n].State().Committed+1, 1000, 0)
	}
	require.NoError(g.t, g.shards[n].Lead(g.tenure, g.quorum, false))
	g.acked[n] = g.shards[n].State().Last.Seq
	g.begun = g.acked[n]
}

// note takes over what the leader has committed as acknowledged: from now on it must
// never change.
func (g *group) note(seq uint64) {
	for n := g.committed() + 1; n <= seq; n++ {
		_, records, ok, err := g.shards[g.leader].Log(n, 1)
		require.NoError(g.t, err)
		require.True(g.t, ok)
		next := maps.Clone(g.states[n-1])
		for _, c := range records[0].Changes {
			switch c.Kind {
			case Put:
				next[c.Key] = string(c.Value)
			case Delete:
				delete(next, c.Key)
			case Truncate:
				clear(next)
			}
		}
		g.states = append(g.states, next)
		if g.noted != nil {
			g.noted(n, records[0])
		}
	}
}

// send gives some records of one replica's log to another.
func (g *group) send(from, to int, next uint64, n int, commit uint64) {
	prev, records, ok, err := g.shards[from].Log(next, 1<<20)
	require.NoError(g.t, err)
	if !ok {
		g.copyTo(from, to)
		return
	}
	records = records[:min(n, len(records))]
	wire := make([]Record, len(records))
	for i, r := range records { // as over a network
		wire[i], err = DecodeRecord(r.Seq, r.Encode())
		require.NoError(g.t, err)
	}
	st, err := g.shards[to].Accept(Batch{Tenure: g.tenure, Prev: prev, Records: wire, Commit: commit})
	if errors.Is(err, ErrGap) {
		if st.Committed == prev.Seq { // there another record is committed under that number
			g.copyTo(from, to)
		}
		return
	}
	require.NoError(g.t, err)
	if from == g.leader {
		g.acked[to] = max(g.acked[to], prev.Seq+uint64(len(records)))
	}
}

func (g *group) copyTo(from, to int) {
	c, err := g.shards[from].NewCopy()
	require.NoError(g.t, err)
	g.copies++
	session, err := g.shards[to].BeginCopy(g.tenure, g.copies)
	require.NoError(g.t, err)
	id := CopyID{g.tenure, g.copies, session}
	for {
		entries, err := c.Next(50)
		require.NoError(g.t, err)
		if len(entries) == 0 {
			break
		}
		require.NoError(g.t, g.shards[to].AddCopy(id, entries))
	}
	require.NoError(g.t, g.shards[to].EndCopy(id, c.End()))
	require.NoError(g.t, c.Close())
	g.acked[to] = max(g.acked[to], c.State().Last.Seq)
}

func (g *group) write() {
	g.written++
	op := dbclient.Op{Kind: dbclient.OpInsert, OverwriteMode: dbclient.OverwriteReplace, Key: genKey.Draw(g.t, "key"), Document: fmt.Appendf(nil, `{"n":%d}`, g.written)}
	if rapid.IntRange(0, 3).Draw(g.t, "remove") == 0 {
		op.Kind, op.Document, op.OverwriteMode = dbclient.OpRemove, nil, ""
	}
	s := g.shards[g.leader]
	_, err := s.Documents(g.t.Context(), dbclient.DocumentsRequest{Collection: "c", Ops: []dbclient.Op{op}})
	if s.State().Committed < g.begun {
		require.Equal(g.t, g.begun, s.State().Last.Seq, "nothing is numbered before what it began with is committed")
	} else if err != nil {
		require.ErrorIs(g.t, err, errPending)
	}
	g.acked[g.leader] = s.State().Last.Seq
}

// commit acknowledges what all in-sync replicas have.
func (g *group) commit() {
	seq := g.shards[g.leader].State().Last.Seq
	for i := range g.shards {
		if g.inSync[i] {
			seq = min(seq, g.acked[i])
		}
	}
	_, err := g.shards[g.leader].Commit(seq)
	require.NoError(g.t, err)
	g.note(g.shards[g.leader].State().Committed)
}

// crash takes from a replica what it has not synced. It is in sync no more.
func (g *group) crash(n int) {
	o := g.replicas[n]
	disk := o.fs.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(uint64(g.written), 7))})
	retention := o.env.Retention
	o.close()
	o = open(g.t, disk, &Clock{}, retention)
	s, err := Open(o.env, "s1")
	require.NoError(g.t, err)
	g.replicas[n], g.shards[n] = o, s
	delete(g.inSync, n)
	delete(g.acked, n)
}

func (g *group) others() []int {
	return slices.DeleteFunc([]int{0, 1, 2}, func(n int) bool { return n == g.leader })
}

// What was acknowledged stays, whichever in-sync replica leads next, whatever is lost,
// taken back, or copied; and every replica's documents are those after some
// acknowledged record.
func TestReplicasKeepWhatWasAcknowledged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := newGroup(t)
		defer func() {
			for _, o := range g.replicas {
				o.close()
			}
		}()
		t.Repeat(map[string]func(*rapid.T){
			"write": func(*rapid.T) { g.write() },
			"send": func(t *rapid.T) {
				to := rapid.SampledFrom(g.others()).Draw(t, "to")
				st := g.shards[to].State()
				next := st.Committed + 1
				if rapid.Bool().Draw(t, "far") {
					next = st.Last.Seq + 1
				}
				g.send(g.leader, to, next, rapid.IntRange(0, 5).Draw(t, "records"), g.committed())
			},
			"commit": func(*rapid.T) { g.commit() },
			"leave": func(t *rapid.T) {
				delete(g.inSync, rapid.SampledFrom(g.others()).Draw(t, "who"))
			},
			"join": func(t *rapid.T) {
				n := rapid.SampledFrom(g.others()).Draw(t, "who")
				g.inSync[n] = g.inSync[n] || g.acked[n] >= g.committed() && g.acked[n] > 0
				if !g.inSync[n] {
					delete(g.inSync, n)
				}
			},
			"crash": func(t *rapid.T) {
				if n := rapid.SampledFrom(g.others()).Draw(t, "who"); rapid.IntRange(0, 3).Draw(t, "seldom") == 0 {
					g.crash(n)
				}
			},
			"another leader": func(t *rapid.T) {
				g.lead(rapid.SampledFrom(slices.Sorted(maps.Keys(g.inSync))).Draw(t, "leader"))
			},
			"": func(t *rapid.T) { g.check() },
		})
	})
}

func (g *group) check() {
	for i, s := range g.shards {
		require.NoError(g.t, s.Check(g.t.Context()))
		st := s.State()
		require.LessOrEqual(g.t, st.Committed, g.committed(), "replica %d", i)
		if g.inSync[i] {
			require.GreaterOrEqual(g.t, st.Last.Seq, g.committed(), "replica %d is in sync", i)
		}
		have := map[string]string{}
		require.NoError(g.t, s.r.st.each(g.t.Context(), s.env.Engine, s.r.st.area, func(key string, d *document) { have[key] = string(d.encode()) }))
		require.Equal(g.t, g.states[st.Committed], have, "replica %d at record %d", i, st.Committed)
		require.Equal(g.t, uint64(len(have)), st.Count)
	}
}
