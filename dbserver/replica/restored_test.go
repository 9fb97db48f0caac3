package replica

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/dbserver/shard"
)

// taken is a backup of the room: what a coordinator collects at the cut.
type taken struct {
	statement dbclient.ShardStatement
	servers   []string // planned
	term      uint64
	disks     map[string]*vfs.MemFS
	keys      []string // of the leader's documents: the state at the cut
}

// cut makes a backup of this moment, in which nothing happens; unserved says why not. The
// disks have what a checkpoint would have.
func (r *room) cut() (b taken, unserved string) {
	r.t.Helper()
	synctest.Wait()
	b.servers, b.term = r.planned()
	p := r.process(strings.TrimPrefix(b.servers[0], keys.Resigned))
	if p == nil || p.leads() == nil || p.leads().Tenure().Term != b.term {
		return b, "its leader is not there"
	}
	if b.statement = p.leads().Statement(); b.statement.Unserved != "" {
		return b, b.statement.Unserved
	}
	b.servers[0], b.disks, b.keys = p.id, map[string]*vfs.MemFS{}, r.keysOf(p.id)
	for id, disk := range r.disks {
		if p := r.process(id); p != nil {
			require.NoError(r.t, p.env.Engine.SyncAll())
		}
		b.disks[id] = crashed(disk, 100, 1)
	}
	return b, ""
}

// keysOf are the keys of the documents that a server has applied.
func (r *room) keysOf(id string) []string {
	r.t.Helper()
	page, err := r.process(id).shard.Scan(context.Background(), dbclient.ScanRequest{Limit: 1 << 20})
	require.NoError(r.t, err)
	found := []string{}
	for _, d := range page.Documents {
		key, _, _ := strings.Cut(strings.TrimPrefix(string(d), `{"_key":"`), `"`)
		found = append(found, key)
	}
	return found
}

// holds says whether a server's piece has what the leader stated.
func (b taken) holds(t tester, id string) bool {
	e := openDisk(t, b.disks[id])
	all, err := shard.Replicas(e, dbclient.StatementsByShard([]dbclient.ShardStatement{b.statement}))
	require.NoError(t, err)
	require.NoError(t, e.Close())
	return all[theShard].Holds(b.statement.Last)
}

func openDisk(t tester, disk *vfs.MemFS) *engine.Engine {
	e, err := engine.Open("engine", engine.Options{FS: disk, CacheBytes: 1 << 20, MemTableBytes: 1 << 20})
	require.NoError(t, err)
	return e
}

// restore puts a backup in place, on the servers that take the pieces; none is started. With
// known, the backup's certificate says who was in sync, as every one does today.
func (r *room) restore(b taken, placed map[string]string, known bool) {
	r.t.Helper()
	for _, id := range r.up() {
		r.stop(id)
	}
	ops := map[string]any{}
	report := keys.CurrentShardReport{Term: b.term, Restored: &keys.RestoredShard{BackupID: "b"}}
	servers := []string{}
	for _, source := range b.servers {
		inSync, now := slices.Contains(b.statement.InSync, source), placed[source]
		disk := crashed(b.disks[source], 100, 1)
		if known {
			e := openDisk(r.t, disk)
			require.NoError(r.t, shard.Certify(e, theShard, fromPosition(b.statement.Last), inSync))
			require.NoError(r.t, e.Close())
		}
		if servers = append(servers, now); inSync || !known {
			report.Servers = append(report.Servers, now)
		}
		r.disks[now] = disk
		if r.rebootOf(now) == 0 {
			ops[keys.ServerRegistered(now)] = keys.Registered{Endpoint: "tcp://" + now}
			ops[keys.ServerKnown(now)] = keys.Known{}
		}
		ops[keys.ServerHealth(now)] = keys.HealthEntry{Status: keys.StatusGood}
	}
	if known {
		last := b.statement.Last
		*report.Restored = keys.RestoredShard{BackupID: "b", Known: true, Term: last.Term, Reboot: last.Reboot, Seq: last.Seq}
	}
	ops[currentKey] = report
	r.write(ops)
	r.plan(b.term+1, servers...)
	r.tell("restored %v of %v at %v, in sync %v", servers, b.servers, b.statement.Last, report.Servers)
}

// lag is a state in which the follower B may be when a backup is made, and has not everything
// that was acknowledged.
type lag struct {
	prepare func(*room)
	reach   func(*testing.T, *room)
	copying bool
}

// inParts has leaders send little at a time.
func inParts(r *room) { r.setUp = func(l *Leader) { l.batch = 100 } }

var states = map[string]lag{
	"cut off": {inParts, func(_ *testing.T, r *room) { r.loses("B") }, false},
	"catching up from the log": {inParts, func(t *testing.T, r *room) {
		r.loses("B")
		sent, before := 0, r.process("B").shard.Seq()
		r.wire.plays(func(m message) fate {
			if m.to == "B" && m.kind == "accept" && len(m.accept.Records) > 0 {
				sent++
			}
			return fate{lost: m.to == "B" && m.kind == "accept" && sent > 2}
		})
		r.eventually("it catches up", func() bool { return r.process("B").shard.Seq() > before })
		require.Less(t, r.process("B").shard.Seq(), r.process("A").shard.Seq())
	}, false},
	"being copied": {func(r *room) { outrun(r); inParts(r) }, func(_ *testing.T, r *room) {
		r.loses("B")
		copies := 0
		r.wire.plays(func(m message) fate {
			if m.to == "B" && m.kind == "copy" {
				copies++
			}
			return fate{lost: m.to == "B" && m.kind == "copy" && copies > 2}
		})
		r.eventually("it is an unfinished copy", func() bool { return r.process("B").shard.Receiving() })
	}, true},
	"just started, without its last writes": {inParts, func(t *testing.T, r *room) {
		require.NoError(t, r.process("B").env.Engine.SyncAll())
		require.NoError(t, r.put("A", docs("late", 20)))
		before := r.process("B").shard.Seq()
		r.crash("B", 0, 3)
		r.wire.plays(func(m message) fate { return fate{lost: m.to == "B" && m.kind == "accept"} })
		r.start("B")
		r.eventually("the leader has noticed", func() bool { return len(r.process("A").leads().Statement().InSync) == 1 })
		require.Less(t, r.process("B").shard.Seq(), before)
	}, false},
}

// loses has the follower B miss 50 writes and leave the in-sync set.
func (r *room) loses(id string) {
	r.t.Helper()
	r.wire.plays(func(m message) fate { return fate{lost: m.to == id} })
	for i := range 5 {
		require.NoError(r.t, r.put("A", docs(fmt.Sprint("missed", i), 10)))
	}
	r.inSync("A")
}

// away has the server that takes the leader's piece be lost, or stand still before its first
// report, and the supervision give it up. back ends that.
func (r *room) away(id string, stalled bool) (back func()) {
	r.write(map[string]any{keys.ServerHealth(id) + "/Status": keys.StatusFailed})
	if !stalled {
		return func() { r.start(id) }
	}
	r.wire.plays(func(m message) fate { return fate{lost: m.from == id || m.to == id} })
	p := r.start(id)
	p.door.hold(true)
	return func() {
		r.wire.plays(nil)
		p.door.hold(false)
	}
}

// everywhereElse runs a test with a leader that is lost or stalls, on the same servers or on
// others, and with a backup that says who was in sync or one that does not.
func everywhereElse(t *testing.T, test func(t *testing.T, placed map[string]string, stalled, known bool)) {
	for where, placed := range map[string]map[string]string{
		"same servers": {"A": "A", "B": "B", "C": "C"}, "other servers": {"A": "X", "B": "Y", "C": "Z"}, "exchanged": {"A": "B", "B": "A", "C": "C"},
	} {
		for _, stalled := range []bool{false, true} {
			for _, known := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/stalled=%v/known=%v", where, stalled, known), func(t *testing.T) { test(t, placed, stalled, known) })
			}
		}
	}
}

// Whatever a follower was doing at the cut, after a restore it leads nothing before it has
// heard a replica that was in sync, or if that is not known, all: also when it is named
// the leader and the other has FAILED. Then everything is there.
func TestRestoredFollowerThatWasBehindDoesNotLead(t *testing.T) {
	for name, s := range states {
		t.Run(name, func(t *testing.T) {
			everywhereElse(t, func(t *testing.T, placed map[string]string, stalled, known bool) {
				inRoom(t, s.prepare, func(t *testing.T, r *room) {
					require.NoError(t, r.put("A", docs("first", 5)))
					s.reach(t, r)
					b, unserved := r.cut()
					require.Empty(t, unserved)
					require.Equal(t, []string{"A"}, b.statement.InSync)
					require.True(t, b.holds(t, "A"))
					require.False(t, b.holds(t, "B"), "it is behind")
					r.wire.plays(nil)
					require.NoError(t, r.put("A", docs("after", 7)))
					r.restore(b, placed, known)
					leader, follower := placed["A"], placed["B"]
					back := r.away(leader, stalled)
					r.start(follower)
					r.plan(b.term+2, follower, leader)
					time.Sleep(time.Minute)
					require.NotNil(t, r.report().Restored, "it has begun to lead")
					require.Error(t, r.put(follower, docs("lost", 1)))
					back()
					now := []string{follower, leader}
					if s.copying { // it never can
						time.Sleep(time.Minute)
						require.NotNil(t, r.report().Restored)
						now = []string{leader, follower}
						r.plan(b.term+3, now...)
					}
					r.inSync(now...)
					require.ElementsMatch(t, b.keys, r.keysOf(now[0]))
					require.NoError(t, r.put(now[0], docs("new", 3)))
					r.alike(now...)
				}, "A", "B")
			})
		})
	}
}

// One that was in sync leads without having heard the other, if the backup says so.
func TestRestoredFollowerThatWasInSyncLeads(t *testing.T) {
	everywhereElse(t, func(t *testing.T, placed map[string]string, stalled, known bool) {
		inBubble(t, func(t *testing.T, r *room) {
			require.NoError(t, r.put("A", docs("first", 50)))
			b, unserved := r.cut()
			require.Empty(t, unserved)
			require.Equal(t, []string{"A", "B"}, b.statement.InSync)
			require.True(t, b.holds(t, "B"))
			require.NoError(t, r.put("A", docs("after", 7)))
			r.restore(b, placed, known)
			leader, follower := placed["A"], placed["B"]
			back := r.away(leader, stalled)
			r.start(follower)
			r.plan(b.term+2, follower, leader)
			if known {
				r.inSync(follower)
				require.ElementsMatch(t, b.keys, r.keysOf(follower))
			} else {
				time.Sleep(time.Minute)
				require.NotNil(t, r.report().Restored, "it is not known that it was in sync")
			}
			back()
			r.inSync(follower, leader)
			require.ElementsMatch(t, b.keys, r.keysOf(follower))
			r.alike(follower, leader)
		}, "A", "B")
	})
}

// takenBack has a record in B's log that the cluster has taken back: A numbered it and only
// B got it, then C led without having heard either, and both are in sync with C again.
func takenBack(t *testing.T, r *room) {
	r.wire.plays(func(m message) fate { return fate{lost: m.to == "C"} })
	pending := make(chan error, 1)
	r.group.Go(func() { pending <- r.put("A", docs("taken", 1)) })
	synctest.Wait()
	r.wire.plays(func(m message) fate { return fate{lost: m.from == "C" || m.to == "C"} })
	r.plan(2, "C", "A", "B")
	r.inSync("C")
	require.Error(t, <-pending, "it was not acknowledged")
	r.wire.plays(nil)
	r.inSync("C", "A", "B")
	require.Greater(t, r.process("B").shard.Seq(), r.process("C").shard.Seq(), "it is in its log still")
	require.NotContains(t, r.keysOf("C"), "taken0000")
}

// A record that the cluster had taken back at the cut does not come back when a replica that
// has it in its log is restored and leads.
func TestRestoreDoesNotBringBackWhatWasTakenBack(t *testing.T) {
	inBubble(t, func(t *testing.T, r *room) {
		require.NoError(t, r.put("A", docs("first", 5)))
		takenBack(t, r)
		b, unserved := r.cut()
		require.Empty(t, unserved)
		require.Equal(t, []string{"C", "A", "B"}, b.statement.InSync)
		require.True(t, b.holds(t, "B"), "it has not applied it")
		require.NoError(t, r.put("C", docs("after", 7)))
		r.restore(b, map[string]string{"A": "A", "B": "B", "C": "C"}, true)
		back := r.away("C", false)
		r.start("A")
		r.start("B")
		r.plan(b.term+2, "B", "A", "C")
		r.inSync("B", "A")
		require.ElementsMatch(t, b.keys, r.keysOf("B"))
		back()
		r.inSync("B", "A", "C")
		require.ElementsMatch(t, b.keys, r.keysOf("B"))
		r.alike("A", "B", "C")
	}, "A", "B", "C")
}

// Should a replica that was in sync have more than was certified, or less, it does not lead
// with that: it is not what the restore meant.
func TestRestoredReplicaThatIsNotWhatWasCertified(t *testing.T) {
	for name, change := range map[string]func(*keys.RestoredShard){
		"more": func(s *keys.RestoredShard) { s.Seq-- },
		"less": func(s *keys.RestoredShard) { s.Seq++ },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *room) {
				require.NoError(t, r.put("A", docs("first", 5)))
				b, _ := r.cut()
				r.restore(b, map[string]string{"A": "A", "B": "B"}, true)
				report := r.report()
				change(report.Restored)
				r.write(map[string]any{currentKey: report})
				r.start("A")
				r.start("B")
				time.Sleep(time.Minute)
				require.NotNil(t, r.report().Restored)
			}, "A", "B")
		})
	}
}

// Where no leader has ever reported and no restore has said anything, all replicas have to
// be heard, also one that has FAILED.
func TestWithoutAReportAllAreHeard(t *testing.T) {
	inBubble(t, func(t *testing.T, r *room) {
		require.NoError(t, r.put("A", docs("first", 5)))
		r.stop("A")
		r.stop("B")
		r.write(map[string]any{currentKey: agencyclient.Delete(), keys.ServerHealth("A") + "/Status": keys.StatusFailed})
		_, term := r.planned()
		r.plan(term+1, "B", "A")
		r.start("B")
		time.Sleep(time.Minute)
		require.Empty(t, r.report().Servers)
		r.start("A")
		r.inSync("B", "A")
	}, "A", "B")
}

// A leader that does not serve, or that has a write in flight, states nothing.
func TestStatementNeedsALeaderThatServes(t *testing.T) {
	inBubble(t, func(t *testing.T, r *room) {
		require.NoError(t, r.put("A", docs("first", 5)))
		r.wire.plays(func(m message) fate { return fate{lost: m.to == "B"} })
		pending := make(chan error, 1)
		r.group.Go(func() { pending <- r.put("A", docs("pending", 1)) })
		synctest.Wait()
		st := r.process("A").leads().Statement()
		require.Contains(t, st.Unserved, "writes are in flight: 5 records are committed of 6")
		require.Empty(t, st.InSync)
		r.wire.plays(nil)
		require.NoError(t, <-pending)
		r.inSync("A", "B")
		st = r.process("A").leads().Statement()
		require.Equal(t, dbclient.ShardStatement{
			Shard: theShard, Term: 1, InSync: []string{"A", "B"}, Last: dbclient.Position{Tenure: dbclient.Tenure{Term: 1, Reboot: 1}, Seq: 6},
		}, st)
		r.plan(1, "_A", "B")
		r.eventually("it has resigned", func() bool { return r.report().Servers[0] == "_A" })
		require.NotEmpty(t, r.process("A").leads().Statement().Unserved)
	}, "A", "B")
}

// A follower that only now has everything is not stated: its own cut may have been before
// that. So it is with one that is taken in, and with one that was restarted, until that is
// reported.
func TestStatementLeavesOutWhoIsNotReported(t *testing.T) {
	for name, before := range map[string]func(r *room){
		"taken in": func(r *room) {
			r.stop("B")
			r.inSync("A")
		},
		"restarted": func(r *room) { r.stop("B") },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *room) {
				require.NoError(t, r.put("A", docs("first", 5)))
				before(r)
				hold := make(chan struct{})
				r.process("A").door.answerWrites(func(ctx context.Context, tx agencyclient.Tx) (uint64, error) {
					r.until(hold)
					return r.agency.Apply(tx)
				})
				r.start("B")
				r.eventually("the leader knows that it has everything", func() bool {
					l := r.process("A").leads()
					l.state.mu.Lock()
					defer l.state.mu.Unlock()
					f := l.state.followers["B"]
					return f.required && f.reboot == r.rebootOf("B") && f.acked >= 5
				})
				require.Equal(t, []string{"A"}, r.process("A").leads().Statement().InSync)
				close(hold)
				r.inSync("A", "B")
				r.eventually("the leader knows that it is reported", func() bool { return len(r.process("A").leads().Statement().InSync) == 2 })
				l := r.process("A").leads() // whatever else is so, it has to have all of the log
				l.state.mu.Lock()
				l.state.followers["B"].acked--
				l.state.mu.Unlock()
				require.Equal(t, []string{"A"}, l.Statement().InSync)
			}, "A", "B")
		})
	}
}
