package dbserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/shard"
	"stasis/event"
	"stasis/internal/apierror"
)

// replicated puts a collection into Plan whose one shard has all these servers.
func (h *house) replicated(cid, name string, servers ...*Server) {
	h.t.Helper()
	var ids []string
	for _, s := range servers {
		ids = append(ids, s.ID())
	}
	h.write(map[string]any{
		keys.PlanCollection("_system", cid): keys.Collection{
			ID: cid, Name: "c" + cid, Shards: map[string][]string{name: ids}, ShardTerms: map[string]uint64{name: 1},
			ReplicationFactor: len(ids), WriteConcern: 1,
		},
		keys.PlanVersion: agencyclient.Increment(1),
	}, nil)
	h.inSync(cid, name, ids...)
}

func (h *house) report(cid, name string) (r keys.CurrentShardReport) {
	h.t.Helper()
	_ = h.read(keys.CurrentShard("_system", cid, name)).Decode(&r) // missing: zero
	return r
}

// inSync waits until Current has just these servers, each with its present reboot id.
func (h *house) inSync(cid, name string, ids ...string) {
	h.t.Helper()
	var r keys.CurrentShardReport
	ok := func() bool {
		r = h.report(cid, name)
		if !slices.Equal(r.Servers, ids) {
			return false
		}
		for _, id := range ids {
			var k keys.Known
			if h.read(keys.ServerKnown(id)).Decode(&k) != nil || r.Reboots[id] != k.RebootID {
				return false
			}
		}
		return true
	}
	for range 600 {
		if ok() && h.knows(ids[0], name) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	require.Fail(h.t, "not in sync", "wanted %v, Current has %+v", ids, r)
}

// knows says whether the leader of a shard serves it: Current has its report before it knows that it is written.
func (h *house) knows(leader, name string) bool {
	for _, s := range h.up {
		if s.ID() != leader {
			continue
		}
		_, d, leave, err := s.access.Enter(h.t.Context())
		if err != nil {
			return false
		}
		defer leave()
		_, err = d.Led(name)
		return err == nil
	}
	return true // it is down, or resigned
}

// plan gives a shard other servers, with another leader in a higher term.
func (h *house) plan(cid, name string, term uint64, servers ...string) {
	h.t.Helper()
	key := keys.PlanCollection("_system", cid)
	h.write(map[string]any{key + "/shards/" + name: servers, key + "/shardTerms/" + name: term, keys.PlanVersion: agencyclient.Increment(1)}, nil)
}

// put writes one document wherever the shard is led; the outcome must be known.
func (h *house) put(s *Server, name, key, doc string) error {
	r, err := h.dbs.Documents(h.t.Context(), dbclient.Target{URL: s.URL()}, name, dbclient.DocumentsRequest{
		Collection: "c", Ops: []dbclient.Op{{Kind: dbclient.OpInsert, OverwriteMode: dbclient.OverwriteReplace, Key: key, Document: json.RawMessage(doc)}},
	})
	if err == nil && r.Results[0].Error != nil {
		return r.Results[0].Error
	}
	return err
}

// alike demands that the replicas of a shard become identical.
func (h *house) alike(name string, servers ...*Server) {
	h.t.Helper()
	var seen []string
	ok := func() bool {
		seen = nil
		for _, s := range servers {
			_, d, leave, err := s.access.Enter(h.t.Context())
			if err != nil {
				return false
			}
			on, err := d.Replica(name)
			if err != nil {
				leave()
				return false
			}
			sum, st, err := on.Shard.Checksum(h.t.Context())
			leave()
			require.NoError(h.t, err)
			seen = append(seen, fmt.Sprintf("%016x %s %d of %d copying %v", sum, st.Last, st.Count, st.Committed, st.Copying))
		}
		return len(slices.Compact(slices.Clone(seen))) == 1
	}
	for range 300 {
		if ok() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	require.Fail(h.t, "replicas differ", "%v", seen)
}

func TestFollowersHaveWhatWasAcknowledged(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b, c := h.start("db1"), h.start("db2"), h.start("db3")
		h.replicated("100", "s101", a, b, c)
		for i := range 50 {
			require.NoError(t, h.put(a, "s101", key(i), `{"n":1}`))
			for _, s := range []*Server{b, c} {
				_, d, leave, err := s.access.Enter(t.Context())
				require.NoError(t, err)
				on, err := d.Replica("s101")
				require.NoError(t, err)
				require.Equal(t, uint64(i+1), on.Shard.State().Last.Seq, "in the log before it is acknowledged")
				leave()
			}
		}
		h.alike("s101", a, b, c)
		require.ErrorIs(t, h.put(b, "s101", "x", `{}`), apierror.NotLeader)
		_, err := h.dbs.Count(t.Context(), h.target(c), "s101", dbclient.CountRequest{})
		require.ErrorIs(t, err, apierror.NotLeader)
	})
}

// A follower that dies is taken out, the writes go on; it comes back by the log.
func TestFollowerDiesAndComesBack(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b := h.start("db1"), h.start("db2")
		h.replicated("100", "s101", a, b)
		require.NoError(t, h.put(a, "s101", "before", `{}`))
		h.crash("db2")
		begun := time.Now()
		require.NoError(t, h.put(a, "s101", "without", `{}`))
		require.Greater(t, time.Since(begun), time.Second, "it waits until the agency has taken the follower out")
		require.Equal(t, []string{a.ID()}, h.report("100", "s101").Servers)
		for i := range 100 {
			require.NoError(t, h.put(a, "s101", key(i), `{}`))
		}
		b = h.start("db2")
		h.inSync("100", "s101", a.ID(), b.ID())
		h.alike("s101", a, b)
	})
}

// A follower that the log no longer reaches gets a copy, while writes go on.
func TestFollowerIsCopied(t *testing.T) {
	old := shard.DefaultRetention
	shard.DefaultRetention = shard.Retention{Entries: 20, Bytes: 1 << 20}
	defer func() { shard.DefaultRetention = old }()
	inBubble(t, func(t *testing.T, h *house) {
		a, b := h.start("db1"), h.start("db2")
		h.replicated("100", "s101", a, b)
		require.NoError(t, h.put(a, "s101", "gone", `{}`))
		h.stop("db2")
		require.NoError(t, h.put(a, "s101", "without", `{}`))
		_, err := h.dbs.Documents(t.Context(), h.target(a), "s101", dbclient.DocumentsRequest{Ops: []dbclient.Op{{Kind: dbclient.OpRemove, Key: "gone"}}})
		require.NoError(t, err)
		for i := range 300 {
			require.NoError(t, h.put(a, "s101", key(i), `{"some":"thing"}`))
		}
		ctx, cancel := context.WithCancel(t.Context())
		var writing = make(chan error, 1)
		go func() {
			for i := 1000; ; i++ {
				if err := h.put(a, "s101", key(i), `{"while":"copied"}`); err != nil || ctx.Err() != nil {
					writing <- err
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
		b = h.start("db2")
		h.inSync("100", "s101", a.ID(), b.ID())
		cancel()
		require.NoError(t, <-writing)
		h.alike("s101", a, b)
	})
}

// The leader is replaced by a follower: everything acknowledged is there, what the
// old leader had beyond it is taken back, and it follows.
func TestLeaderIsReplaced(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b, c := h.start("db1"), h.start("db2"), h.start("db3")
		h.replicated("100", "s101", a, b, c)
		for i := range 20 {
			require.NoError(t, h.put(a, "s101", key(i), `{"by":"a"}`))
		}
		for _, other := range []string{"db2", "db3"} { // no other server has what it writes now
			h.net.Cut("db1", other)
			h.net.Cut(other, "db1")
		}
		lost := make(chan error, 1)
		go func() { lost <- h.put(a, "s101", "lost", `{}`) }()
		time.Sleep(time.Second)
		h.plan("100", "s101", 2, b.ID(), c.ID(), a.ID())
		h.inSync("100", "s101", b.ID(), c.ID())
		require.Error(t, <-lost)
		require.NoError(t, h.put(b, "s101", "new", `{"by":"b"}`))
		require.ErrorIs(t, h.put(a, "s101", "x", `{}`), apierror.NotLeader)
		h.net.HealAll()
		h.inSync("100", "s101", b.ID(), c.ID(), a.ID())
		h.alike("s101", a, b, c)
		found := h.keysOf(b, "s101")
		require.Contains(t, found, "new")
		require.NotContains(t, found, "lost")
		require.Len(t, found, 21)
	})
}

// A leader that loses what it had not synced gets it back from a follower, and leads
// on without a change of Plan.
func TestLeaderRestartsWithoutItsLastWrites(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b := h.start("db1"), h.start("db2")
		h.replicated("100", "s101", a, b)
		time.Sleep(time.Second)
		for i := range 30 {
			require.NoError(t, h.put(a, "s101", key(i), `{}`))
		}
		h.crash("db1") // at once: nothing of it is synced
		a = h.start("db1")
		h.inSync("100", "s101", a.ID(), b.ID())
		require.Len(t, h.keysOf(a, "s101"), 30)
		require.NoError(t, h.put(a, "s101", "after", `{}`))
		h.alike("s101", a, b)
	})
}

// A follower that lost what it had not synced is not believed before it is caught up:
// its reboot id in Current is the old one.
func TestRestartedFollowerIsCaughtUpFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b := h.start("db1"), h.start("db2")
		h.replicated("100", "s101", a, b)
		time.Sleep(time.Second)
		for i := range 30 {
			require.NoError(t, h.put(a, "s101", key(i), `{}`))
		}
		before := h.report("100", "s101").Reboots[b.ID()]
		h.net.Cut("db1", "db2")
		h.crash("db2")
		b = h.start("db2")
		r := h.report("100", "s101")
		if slices.Contains(r.Servers, b.ID()) {
			require.Equal(t, before, r.Reboots[b.ID()])
		}
		h.net.HealAll()
		h.inSync("100", "s101", a.ID(), b.ID())
		h.alike("s101", a, b)
	})
}

func TestWriteConcern(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		// Current has the report before the leader knows that it is written, so the test
		// goes by what the leader knows.
		out := make(chan struct{}, 10)
		h.steps = func(_ context.Context, e event.Event) {
			if e.Step == event.FollowerNotInSync {
				out <- struct{}{}
			}
		}
		a, b := h.start("db1"), h.start("db2")
		h.replicated("100", "s101", a, b)
		h.write(map[string]any{keys.PlanCollection("_system", "100") + "/writeConcern": 2, keys.PlanVersion: agencyclient.Increment(1)}, nil)
		require.NoError(t, h.put(a, "s101", "a", `{}`))
		h.stop("db2")
		<-out
		require.Len(t, h.report("100", "s101").Servers, 1)
		err := h.put(a, "s101", "b", `{}`)
		require.ErrorIs(t, err, apierror.ReadOnly, "it takes writes below the write concern")
		require.Equal(t, 403, apierror.From(err).Status())
		require.Equal(t, []string{"a"}, h.keysOf(a, "s101"), "it reads")
		h.start("db2")
		h.await("it writes again", func() bool { return h.put(a, "s101", "b", `{}`) == nil })
	})
}

// A leader that is asked to resign ends what it has begun, says so, and lets no request
// in; asked to go on, it goes on.
func TestResignedLeader(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b := h.start("db1"), h.start("db2")
		h.replicated("100", "s101", a, b)
		h.write(map[string]any{keys.Maintenance: "true"}, nil) // or the supervision, which knows of no job, lets it go on
		h.eventually(keys.SupervisionMode, func(n *agencyclient.Node) bool { return n.Text() == keys.ModeMaintenance })
		h.plan("100", "s101", 1, "_"+a.ID(), b.ID())
		h.await("it says so", func() bool {
			return slices.Equal(h.report("100", "s101").Servers, []string{"_" + a.ID(), b.ID()})
		})
		require.ErrorIs(t, h.put(a, "s101", "x", `{}`), apierror.NotLeader)
		h.plan("100", "s101", 1, a.ID(), b.ID())
		h.inSync("100", "s101", a.ID(), b.ID())
		require.NoError(t, h.put(a, "s101", "x", `{}`))
		h.plan("100", "s101", 2, b.ID(), a.ID())
		h.inSync("100", "s101", b.ID(), a.ID())
		require.NoError(t, h.put(b, "s101", "y", `{}`))
		h.alike("s101", a, b)
	})
}

// A write in flight when the gate is asked for keeps it from being granted until its
// followers have it, even when its client has gone.
func TestGateWaitsForFollowers(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b := h.start("db1"), h.start("db2")
		h.replicated("100", "s101", a, b)
		h.net.Cut("db1", "db2")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := h.dbs.Documents(ctx, dbclient.Target{URL: a.URL()}, "s101", dbclient.DocumentsRequest{
			Collection: "c", Ops: []dbclient.Op{{Kind: dbclient.OpInsert, Key: "a", Document: json.RawMessage(`{}`)}}})
		require.True(t, errors.Is(err, context.DeadlineExceeded) || errors.Is(err, apierror.ConnectionLost), "%v", err)
		h.lock("b", "n")
		lock := dbclient.GateLockRequest{ID: "b", Nonce: "n", WindowSeconds: 0.5, LeaseSeconds: 60}
		_, err = h.hold(t.Context(), h.target(a), lock)
		require.ErrorIs(t, err, apierror.LockTimeout)
		h.net.HealAll()
		h.await("it is granted", func() bool {
			_, err := h.hold(t.Context(), h.target(a), lock)
			return err == nil
		})
	})
}

// With waitForSync a write is on the disk of every in-sync replica before it is
// acknowledged: any of them may be the only one that is left.
func TestWaitForSyncIsOnEveryDisk(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b := h.start("db1"), h.start("db2")
		h.replicated("100", "s101", a, b)
		time.Sleep(time.Second) // nothing else is unsynced
		r, err := h.dbs.Documents(t.Context(), h.target(a), "s101", dbclient.DocumentsRequest{
			Collection: "c", WaitForSync: true, Ops: []dbclient.Op{{Kind: dbclient.OpInsert, Key: "synced", Document: json.RawMessage(`{}`)}}})
		require.NoError(t, err)
		require.True(t, r.Synced)
		require.NoError(t, h.put(a, "s101", "unsynced", `{}`))
		h.crash("db2")
		h.stop("db1")
		b, err = h.tryStart("db2")
		require.NoError(t, err)
		h.plan("100", "s101", 2, b.ID())
		h.await("it leads", func() bool { return h.report("100", "s101").Term == 2 })
		require.Equal(t, []string{"synced"}, h.keysOf(b, "s101"))
	})
}
