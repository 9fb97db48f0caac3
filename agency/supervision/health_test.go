package supervision

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/bubbles"
)

// plan adds a server as Register does.
func (s *tree) plan(plan, id string) {
	s.t.Helper()
	s.write(agencyclient.Tx{Ops: map[string]any{
		plan + "/" + id:          "none",
		keys.ServerKnown(id):     keys.Known{RebootID: 3},
		keys.ShortIDs + "/" + id: keys.ShortID{TransactionID: 1, ShortName: "Short-" + id},
	}})
}

func (s *tree) rebootID(id string) int64 {
	n, _ := s.Root().At(keys.ServerKnown(id) + "/rebootId").Int()
	return n
}

// GOOD up to 5 s, BAD up to 10 s, then FAILED; the pass of the heartbeat's last
// sighting counts.
func TestHealthFollowsTheAgeOfHeartbeats(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.plan(keys.PlanDBServers, "PRMR-1")
		defer supervise(s)()
		synctest.Wait()
		require.Empty(t, s.status("PRMR-1"), "not heard yet, and the cluster is settling")
		time.Sleep(500 * time.Millisecond)
		s.beat("PRMR-1")
		time.Sleep(500*time.Millisecond + time.Millisecond) // the pass at 1 s sees it
		require.Equal(t, keys.StatusGood, s.status("PRMR-1"))
		time.Sleep(5 * time.Second) // 6.001 s: age 5 s at the pass at 6 s
		require.Equal(t, keys.StatusGood, s.status("PRMR-1"))
		time.Sleep(time.Second)
		require.Equal(t, keys.StatusBad, s.status("PRMR-1"))
		time.Sleep(4 * time.Second) // 11.001 s: age 10 s
		require.Equal(t, keys.StatusBad, s.status("PRMR-1"))
		require.False(t, s.Root().At(keys.FailedServers+"/PRMR-1").Exists())
		time.Sleep(time.Second)
		require.Equal(t, keys.StatusFailed, s.status("PRMR-1"))
		require.True(t, s.Root().At(keys.FailedServers+"/PRMR-1").Exists())
		require.EqualValues(t, 3, s.rebootID("PRMR-1"), "a DB server's unfinished work is its own")

		s.beat("PRMR-1")
		time.Sleep(time.Second)
		require.Equal(t, keys.StatusGood, s.status("PRMR-1"))
		require.False(t, s.Root().At(keys.FailedServers+"/PRMR-1").Exists())
		require.Equal(t, []string{
			"server health changed PRMR-1: unknown → GOOD",
			"server health changed PRMR-1: GOOD → BAD, nothing heard for 6s",
			"server health changed PRMR-1: BAD → FAILED, nothing heard for 11s",
			"job started PRMR-1: failedServer: it has 0 replicas; 0 shards can be helped now",
			"job finished PRMR-1: failedServer",
			"server health changed PRMR-1: FAILED → GOOD",
		}, s.told())
	})
}

// A server that goes on sending heartbeats is written to the replicated tree once.
func TestSteadyHealthIsWrittenOnce(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.plan(keys.PlanDBServers, "PRMR-1")
		defer s.beats("PRMR-1")()
		defer supervise(s)()
		time.Sleep(5 * time.Second)
		was := s.machine.State().Index()
		entry := s.Transient().At(keys.Health + "/PRMR-1")
		require.Equal(t, keys.StatusGood, entry.At("Status").Text())
		require.Equal(t, "Short-PRMR-1", entry.At("ShortName").Text())
		require.Equal(t, agencyclient.StatusServing, entry.At("SyncStatus").Text())
		time.Sleep(10 * time.Minute) // hundreds of heartbeats
		require.Equal(t, was, s.machine.State().Index())
		require.NotEqual(t, entry.At("Timestamp").Text(), s.Transient().At(keys.Health+"/PRMR-1/Timestamp").Text(),
			"the transient entry is fresh")
	})
}

// A coordinator that failed counts as restarted, exactly once per failure, also
// when the leader changes in between.
func TestFailedCoordinatorIsTakenForRestarted(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.plan(keys.PlanCoordinators, "CRDN-1")
		stop := supervise(s)
		silent := s.beats("CRDN-1")
		time.Sleep(3 * time.Second)
		silent()
		time.Sleep(15 * time.Second)
		require.Equal(t, keys.StatusFailed, s.status("CRDN-1"))
		require.EqualValues(t, 4, s.rebootID("CRDN-1"))
		stop()
		defer supervise(s)()
		time.Sleep(5 * time.Minute)
		require.Equal(t, keys.StatusFailed, s.status("CRDN-1"))
		require.EqualValues(t, 4, s.rebootID("CRDN-1"), "counted again by the next leader")
		require.False(t, s.Root().At(keys.FailedServers+"/CRDN-1").Exists())
	})
}

// A new leader has heard no server at first. It judges a silent server only when the
// cluster has had time to find it, and never by a heartbeat that it inherited.
func TestNewLeaderJudgesAfterTheLeaderGrace(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.plan(keys.PlanDBServers, "PRMR-1")
		s.plan(keys.PlanDBServers, "PRMR-2")
		s.set(keys.Health+"/PRMR-1", keys.HealthEntry{Status: keys.StatusGood})
		s.set(keys.Health+"/PRMR-2", keys.HealthEntry{Status: keys.StatusFailed})
		s.beat("PRMR-2") // stale
		defer supervise(s)()
		time.Sleep(54*time.Second + time.Millisecond)
		require.Equal(t, keys.StatusGood, s.status("PRMR-1"), "a leader judges that has not listened for long enough")
		require.Equal(t, keys.StatusFailed, s.status("PRMR-2"))
		time.Sleep(time.Second)
		require.Equal(t, keys.StatusBad, s.status("PRMR-1"), "never directly from GOOD to FAILED")
		time.Sleep(time.Second)
		require.Equal(t, keys.StatusFailed, s.status("PRMR-1"))
		require.Equal(t, keys.StatusFailed, s.status("PRMR-2"))
	})
}

// A server that came back while its failure was being recorded is not failed: the
// transaction names the status that it replaces.
func TestVerdictNamesWhatItReplaces(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.plan(keys.PlanCoordinators, "CRDN-1")
		s.set(keys.Health+"/CRDN-1", keys.HealthEntry{Status: keys.StatusBad})
		stop := supervise(s)
		time.Sleep(54*time.Second + time.Millisecond)
		s.mu.Lock()
		s.before = func() { s.set(keys.Health+"/CRDN-1", keys.HealthEntry{Status: keys.StatusGood}) }
		s.mu.Unlock()
		time.Sleep(time.Second)
		stop()
		require.Equal(t, keys.StatusGood, s.status("CRDN-1"))
		require.EqualValues(t, 3, s.rebootID("CRDN-1"))
	})
}

// A server that was removed from Plan leaves no record behind.
func TestRemovedServerIsForgotten(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.plan(keys.PlanDBServers, "PRMR-1")
		defer s.beats("PRMR-1")()
		defer supervise(s)()
		time.Sleep(3 * time.Second)
		require.Equal(t, keys.StatusGood, s.status("PRMR-1"))
		s.write(agencyclient.Tx{Ops: map[string]any{keys.PlanDBServers + "/PRMR-1": agencyclient.Delete()}})
		time.Sleep(time.Second + time.Millisecond)
		require.False(t, s.Root().At(keys.Health+"/PRMR-1").Exists())
		require.False(t, s.Transient().At(keys.Health+"/PRMR-1").Exists())
	})
}
