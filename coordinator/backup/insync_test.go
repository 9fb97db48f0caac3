package backup

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/client/certificate"
	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/internal/apierror"
)

// replicated gives each shard a follower: s1 is on PRMR-1 and PRMR-2, and so on.
func (w *world) replicated() {
	w.t.Helper()
	w.agency.must(w.t, agencyclient.Tx{Ops: map[string]any{keys.PlanCollection("_system", "100") + "/shards": map[string][]string{
		"s1": {"PRMR-1", "PRMR-2"}, "s2": {"PRMR-2", "PRMR-3"}, "s3": {"PRMR-3", "PRMR-1"},
	}}})
}

// alone has the leader of s1 state that only it is in sync, and its follower be behind.
func (w *world) alone() {
	w.servers["PRMR-1"].quirk(func(q *quirks) {
		q.cut = func(r *dbclient.CutResponse) {
			for i := range r.Statements {
				if r.Statements[i].Shard == "s1" {
					r.Statements[i].InSync = []string{"PRMR-1"}
				}
			}
		}
	})
	w.servers["PRMR-2"].quirk(func(q *quirks) {
		q.piece = func(p *dbclient.Piece) { p.Replicas["s1"] = dbclient.PieceReplica{} }
		q.cut = func(r *dbclient.CutResponse) { r.Logs["s1"] = 0 }
	})
}

// An attempt at whose cut a shard has no leader that serves it, or whose followers are not
// where it says, is no good and is tried again.
func TestCutWithoutAServingLeaderIsTriedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		server string
		spoil  func(*dbclient.CutResponse)
		says   string
	}{
		"says nothing": {"PRMR-2", func(r *dbclient.CutResponse) { r.Statements = nil }, "the leader of shard s2 of _system/100: PRMR-2 does not lead it"},
		"does not serve": {"PRMR-2", func(r *dbclient.CutResponse) { r.Statements[0].Unserved = "taking over" },
			"the leader of shard s2 of _system/100: PRMR-2 does not serve it: taking over"},
		"in another term": {"PRMR-2", func(r *dbclient.CutResponse) { r.Statements[0].Term = 9 }, "PRMR-2 leads it in term 9, Plan has term 1"},
		"just started": {"PRMR-3", func(r *dbclient.CutResponse) { r.Logs["s2"] = 0 },
			"a follower of shard s2 of _system/100: PRMR-3 is in sync, but its log ends at 0 of 1"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, threeServers, func(w *world) {
				w.replicated()
				left := 2
				w.servers[c.server].quirk(func(q *quirks) {
					q.cut = func(r *dbclient.CutResponse) {
						if left > 0 {
							c.spoil(r)
						}
						left--
					}
				})
				r := w.create("again")
				require.Len(t, r.LockReport.Attempts, 3)
				require.Contains(t, r.LockReport.Attempts[1].Failures(), c.says)
				w.requireBackup("again", r.ID)
			})
			inWorld(t, threeServers, func(w *world) {
				w.replicated()
				w.servers[c.server].quirk(func(q *quirks) { q.cut = c.spoil })
				_, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{Timeout: 5 * time.Second})
				require.ErrorIs(t, err, apierror.BackupCreate)
				require.ErrorContains(t, err, c.says)
				w.requireClean("never")
			})
		})
	}
}

// What is not known is not certified: a marked backup has the statements that its pieces
// bear out.
func TestMarkedBackupCertifiesWhatIsKnown(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.replicated()
		w.servers["PRMR-1"].quirk(func(q *quirks) { q.cut = func(r *dbclient.CutResponse) { r.Statements = nil } })
		w.servers["PRMR-3"].quirk(func(q *quirks) { q.piece = func(p *dbclient.Piece) { p.Replicas["s2"] = dbclient.PieceReplica{} } })
		r, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{Timeout: 3 * time.Second, AllowInconsistent: true})
		require.NoError(t, err)
		require.True(t, r.PotentiallyInconsistent)
		cert, err := certificate.Parse(listOn(t, w.servers["PRMR-1"], r.ID).Certificate)
		require.NoError(t, err)
		require.NotContains(t, cert.Shards, "s1", "its leader stated nothing")
		require.NotContains(t, cert.Shards, "s2", "a write came between statement and cut")
		require.Equal(t, []string{"PRMR-3", "PRMR-1"}, cert.Shards["s3"].InSync)
		w.requireBackup("marked", r.ID)
		current := w.restoring(r.ID)
		require.True(t, current["s1"].Unsure())
		require.Equal(t, []string{"PRMR-1", "PRMR-2"}, current["s1"].Servers)
		require.True(t, current["s2"].Unsure())
		require.False(t, current["s3"].Unsure())
	})
}

// A piece that does not have what the leader stated of it fails the create.
func TestCreateFailsIfAPieceIsNotWhatWasStated(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.replicated()
		w.servers["PRMR-3"].quirk(func(q *quirks) {
			q.piece = func(p *dbclient.Piece) { p.Replicas["s2"] = dbclient.PieceReplica{Committed: 0} }
		})
		_, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{})
		require.ErrorIs(t, err, apierror.BackupCreate)
		require.ErrorContains(t, err, "PRMR-3: shard s2 was in sync at record 1 of tenure 1.1, and its piece does not have just that")
		w.requireClean("unlike")
	})
}

// restoring begins a restore and gives what Current says of the shards at its commit.
func (w *world) restoring(id string) map[string]keys.CurrentShardReport {
	w.t.Helper()
	all := map[string]keys.CurrentShardReport{}
	s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
		if e.Step != event.PlanSwitched {
			return
		}
		for name, n := range w.agency.root().At(keys.CurrentCollections + "/_system/100").Children() {
			var r keys.CurrentShardReport
			require.NoError(w.t, n.Decode(&r))
			all[name] = r
		}
		require.NotEmpty(w.t, topology.Leaderless(w.agency.root()), "what a restore writes is no leader's report")
	}))
	_, err := s.Restore(context.Background(), RestoreRequest{ID: id})
	require.NoError(w.t, err)
	return all
}

// A restore says who was in sync at the cut, under the ids of now, in a term before the
// planned one, and tells each server what its replicas were.
func TestRestoreSaysWhoWasInSync(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.replicated()
		w.alone()
		id := w.create("x").ID
		defer w.moves("PRMR-2", "PRMR-7", id)()
		var mu sync.Mutex // all servers stage at once
		staged := map[string][]dbclient.ShardStatement{}
		for name, s := range w.servers {
			s.quirk(func(q *quirks) {
				q.staged = func(r dbclient.StageRequest) {
					mu.Lock()
					defer mu.Unlock()
					staged[name] = r.Statements
				}
			})
		}
		current := w.restoring(id)
		want := func(servers ...string) keys.CurrentShardReport {
			return keys.CurrentShardReport{
				Indexes: []keys.Index{}, Servers: servers, FailoverCandidates: servers, Term: 1, Reboots: map[string]uint64{},
				Restored: &keys.RestoredShard{BackupID: id, Known: true, Term: 1, Reboot: 1, Seq: 1},
			}
		}
		require.Equal(t, map[string]keys.CurrentShardReport{
			"s1": want("PRMR-1"), "s2": want("PRMR-7", "PRMR-3"), "s3": want("PRMR-3", "PRMR-1"),
		}, current)
		shards := func(all []dbclient.ShardStatement) (names []string) {
			for _, st := range all {
				names = append(names, st.Shard)
			}
			return names
		}
		require.Equal(t, []string{"s1", "s3"}, shards(staged["PRMR-1"]))
		require.Equal(t, []string{"s1", "s2"}, shards(staged["PRMR-7"]), "also of the one that it was behind in")
		require.Equal(t, []string{"PRMR-1"}, staged["PRMR-7"][0].InSync)
	})
}

// moves gives the piece of a server that is lost to a new one, which follows until stop.
func (w *world) moves(lost, to, id string) (stop func()) {
	moved := w.servers[lost].pieces[id]
	w.removeServer(lost)
	delete(w.servers, lost)
	s := newFakeServer(to, w.agency, w.faults)
	s.pieces[id] = moved
	w.servers[to] = s
	w.agency.must(w.t, agencyclient.Tx{Ops: map[string]any{
		keys.PlanDBServers + "/" + to: "none",
		keys.ServerRegistered(to):     keys.Registered{Endpoint: "tcp://" + to + ":1"},
		keys.ServerKnown(to):          keys.Known{RebootID: 1},
	}})
	ctx, stop := context.WithCancel(context.Background())
	w.group.Go(func() { s.follow(ctx) })
	return stop
}

// aged makes a backup what it would be if it had been made before leaders stated anything.
func (w *world) aged(id string) {
	w.t.Helper()
	for _, s := range w.servers {
		s.pieces[id].meta.Replicas = nil
	}
	w.recertified(id, func(cert map[string]any) {
		cert["format"] = 1
		delete(cert, "shards")
	})
}

// recertified changes the certificate of a backup, wherever its hash stands.
func (w *world) recertified(id string, change func(cert map[string]any)) {
	w.t.Helper()
	for _, s := range w.servers {
		p := s.pieces[id]
		var cert map[string]any
		require.NoError(w.t, json.Unmarshal(p.cert, &cert))
		change(cert)
		var err error
		p.cert, err = json.Marshal(cert)
		require.NoError(w.t, err)
		hash, err := certificate.Hash(p.cert)
		require.NoError(w.t, err)
		w.agency.must(w.t, agencyclient.Tx{Ops: map[string]any{keys.HotBackupCommit(id) + "/certificateSha256": hash}})
	}
}

// A certificate of format 1 holds as before, and says of no replica that it was in sync.
func TestRestoreOfFormatOneTrustsNoReplica(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.replicated()
		id := w.create("x").ID
		w.aged(id)
		w.requireBackup("format 1", id)
		current := w.restoring(id)
		require.Len(t, current, 3)
		for name, servers := range map[string][]string{"s1": {"PRMR-1", "PRMR-2"}, "s2": {"PRMR-2", "PRMR-3"}, "s3": {"PRMR-3", "PRMR-1"}} {
			require.Equal(t, servers, current[name].Servers)
			require.True(t, current[name].Unsure())
			require.False(t, current[name].Trusts(servers[0], 1))
		}
	})
}

// A restore after which a shard has no replica that can lead says which shard, and which
// servers it waits for. The lock is released meanwhile, and the result is an error.
func TestRestoreNamesWhomAShardWaitsFor(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(w *world, id string)
		failed  string
		says    string
	}{
		"the only one in sync": {func(*world, string) {}, "PRMR-1", "shard s1 of _system/100 has no leader: it needs one of PRMR-1, which had every acknowledged write at the cut; FAILED: PRMR-1"},
		"none known": {(*world).aged, "PRMR-1",
			"shard s1 of _system/100 has no leader: the backup does not say which replicas were in sync at the cut, so it needs all of PRMR-1, PRMR-2; FAILED: PRMR-1"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, threeServers, func(w *world) {
				w.replicated()
				w.alone()
				id := w.create("x").ID
				c.prepare(w, id)
				w.servers[c.failed].quirk(func(q *quirks) { q.slowSwap = time.Hour })
				var released atomic.Bool
				s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
					if e.Step == event.PlanSwitched {
						time.AfterFunc(10*time.Second, func() {
							w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.ServerHealth(c.failed) + "/Status": keys.StatusFailed}})
						})
						time.AfterFunc(15*time.Second, func() { released.Store(!w.agency.root().At(keys.HotBackupCreate).Exists()) })
					}
				}))
				begun := time.Now()
				_, err := s.Restore(context.Background(), RestoreRequest{ID: id})
				require.ErrorIs(t, err, apierror.BackupRestore)
				require.ErrorContains(t, err, "was committed and completes by itself")
				require.ErrorContains(t, err, c.says)
				require.Less(t, time.Since(begun), 2*time.Minute)
				require.True(t, released.Load(), "others may need a failover meanwhile")
				time.Sleep(time.Hour)
				require.Empty(t, topology.Unled(w.agency.root()), "it has completed by itself")
			})
		})
	}
}

// Before a restore changes anything, it compares the statements with Plan. (Package create
// has the test that a create does so before its commit.)
func TestShardWithoutAStatement(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		id := w.create("x").ID
		w.recertified(id, func(cert map[string]any) { delete(cert["shards"].(map[string]any), "s2") })
		_, err := w.service(coordinatorA).Restore(context.Background(), RestoreRequest{ID: id})
		require.ErrorIs(t, err, apierror.BackupRestore)
		require.ErrorContains(t, err, "shard s2 of _system/100: no leader has stated who was in sync")
		require.Zero(t, topology.Number(w.agency.root().At(keys.RestoreEpoch)))
	})
}
