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

// building makes an entry of a coordinator that has not finished it.
func building(owner string, rebootID uint64) keys.Collection {
	return keys.Collection{
		ID: "10001", Name: "books", IsBuilding: true, Coordinator: owner, CoordinatorRebootID: rebootID,
		Shards: map[string][]string{"s1": {"PRMR-1"}},
	}
}

func (s *tree) planVersion() int64 {
	n, _ := s.Root().At(keys.PlanVersion).Int()
	return n
}

// What a coordinator left behind is removed once it has restarted, and the rest
// stays: what it finished, what it is creating now, and what has no owner.
func TestCreationOfAnEarlierLifeIsRemoved(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.plan(keys.PlanCoordinators, "CRDN-1") // rebootId 3
		finished := building("", 0)
		finished.IsBuilding = false
		s.set(keys.PlanCollection("db", "10001"), building("CRDN-1", 2))
		s.set(keys.PlanCollection("db", "10002"), building("CRDN-1", 3))
		s.set(keys.PlanCollection("db", "10003"), building("CRDN-gone", 1))
		s.set(keys.PlanCollection("db", "10004"), finished)
		s.set(keys.PlanCollection("db", "10005"), building("", 0))
		s.set(keys.PlanDatabase("left"), keys.Database{Name: "left", IsBuilding: true, Coordinator: "CRDN-1", CoordinatorRebootID: 2})
		s.set(keys.PlanCollection("left", "10006"), building("CRDN-1", 2))
		s.set(keys.Plan+"/Analyzers/left", struct{}{})
		version := s.planVersion()
		defer supervise(s)()
		synctest.Wait()

		var left []string
		for cid := range s.Root().At(keys.PlanCollections + "/db").Children() {
			left = append(left, cid)
		}
		require.Equal(t, []string{"10002", "10004", "10005"}, left)
		for _, key := range []string{keys.PlanDatabase("left"), keys.PlanCollections + "/left", keys.Plan + "/Analyzers/left"} {
			require.False(t, s.Root().At(key).Exists(), key)
		}
		require.Equal(t, version+3, s.planVersion(), "once per entry: %q", s.told())
		time.Sleep(30 * time.Second)
		require.Equal(t, version+3, s.planVersion())
	})
}

// A coordinator that dies while creating is found by its silence.
func TestCreationOfAFailedCoordinatorIsRemoved(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.plan(keys.PlanCoordinators, "CRDN-1")
		defer supervise(s)()
		silent := s.beats("CRDN-1")
		s.set(keys.PlanCollection("db", "10001"), building("CRDN-1", 3))
		time.Sleep(time.Minute)
		silent()
		time.Sleep(9 * time.Second)
		require.True(t, s.Root().At(keys.PlanCollection("db", "10001")).Exists())
		time.Sleep(4 * time.Second)
		require.Equal(t, keys.StatusFailed, s.status("CRDN-1"))
		require.False(t, s.Root().At(keys.PlanCollection("db", "10001")).Exists())
	})
}

// While a backup holds the lock Plan stays as it is; the clean-up comes with the
// thaw.
func TestCleanUpWaitsForTheThaw(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.plan(keys.PlanCoordinators, "CRDN-1")
		s.set(keys.PlanCollection("db", "10001"), building("CRDN-1", 2))
		s.takeLock("n1")
		plan := s.Root().At(keys.Plan)
		defer supervise(s)()
		for beat := range uint64(25) {
			time.Sleep(2 * time.Second)
			s.renew("n1", beat+1)
		}
		require.Equal(t, plan, s.Root().At(keys.Plan))
		require.Zero(t, s.proposals(), "it does not even try")
		s.write(agencyclient.Tx{Ops: map[string]any{keys.HotBackupCreate: agencyclient.Delete(), keys.HotBackupHolder: agencyclient.Delete()}})
		time.Sleep(time.Second + time.Millisecond)
		require.False(t, s.Root().At(keys.PlanCollection("db", "10001")).Exists())
	})
}

// A coordinator that finishes at the same moment keeps its collection: the
// transaction names the entry that it deletes.
func TestFinishedAtTheSameMomentStays(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.plan(keys.PlanCoordinators, "CRDN-1")
		key := keys.PlanCollection("db", "10001")
		s.set(key, building("CRDN-1", 2))
		s.before = func() {
			s.write(agencyclient.Tx{Ops: map[string]any{key + "/isBuilding": agencyclient.Delete()}})
		}
		defer supervise(s)()
		time.Sleep(time.Minute)
		require.Equal(t, "books", s.Root().At(key+"/name").Text())
	})
}

// The lock is taken just before the transaction: the state machine refuses it,
// whatever the supervision believed.
func TestFreezeWinsTheRace(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.plan(keys.PlanCoordinators, "CRDN-1")
		key := keys.PlanCollection("db", "10001")
		s.set(key, building("CRDN-1", 2))
		s.before = func() { s.takeLock("n1") }
		stop := supervise(s)
		synctest.Wait()
		require.Equal(t, 1, s.proposals())
		require.True(t, s.Root().At(key).Exists())
		stop()
	})
}
