package supervision

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/bubbles"
)

// hangs is a heartbeat of a server whose disk hangs, and that has given up the lease with
// this number.
func (s *tree) hangs(id string, leases uint64) {
	s.sends(id, keys.Heartbeat{
		Time: time.Now().Format("15:04:05.000"), Status: agencyclient.StatusServing,
		Disk: &keys.HungDisk{Hangs: "since noon (sync of a log)", RebootID: 3, Leases: leases},
	})
}

// hanging makes a tree with a DB server that has its first lease and whose disk begins to
// hang; passes are at full seconds.
func hanging(t *testing.T) (s *tree, stop func()) {
	s = newTree(t)
	s.plan(keys.PlanDBServers, "PRMR-1")
	s.write(agencyclient.Tx{Ops: map[string]any{keys.ServerKnown("PRMR-1") + "/leases": agencyclient.Increment(1)}})
	stop = supervise(s)
	time.Sleep(500 * time.Millisecond)
	s.beat("PRMR-1")
	time.Sleep(time.Second)
	require.Equal(t, keys.StatusGood, s.status("PRMR-1"))
	return s, stop
}

// A server that says that its disk hangs, and that has no lease, is FAILED after two
// passes though it sends heartbeats, and GOOD with the first one that says nothing of it.
func TestHangingDiskFailsAServer(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s, stop := hanging(t)
		defer stop()
		s.hangs("PRMR-1", 1)
		time.Sleep(time.Second)
		require.Equal(t, keys.StatusBad, s.status("PRMR-1"))
		require.Equal(t, "hangs since noon (sync of a log)", s.Root().At(keys.ServerHealth("PRMR-1")+"/Disk").Text())
		time.Sleep(time.Second)
		require.Equal(t, keys.StatusFailed, s.status("PRMR-1"))
		require.True(t, s.Root().At(keys.FailedServers+"/PRMR-1").Exists())
		require.Contains(t, s.told(), "server health changed PRMR-1: BAD → FAILED, its disk hangs since noon (sync of a log)")
		for range 30 {
			s.hangs("PRMR-1", 1)
			time.Sleep(time.Second)
			require.Equal(t, keys.StatusFailed, s.status("PRMR-1"))
		}
		s.takesLease("PRMR-1")
		time.Sleep(time.Second)
		require.Equal(t, keys.StatusGood, s.status("PRMR-1"))
		require.False(t, s.Root().At(keys.ServerHealth("PRMR-1")+"/Disk").Exists())
	})
}

// A statement that is older than the server's lease fails no server; nor is it a sign of
// life.
func TestOldStatementOfAHangingDiskFailsNoServer(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s, stop := hanging(t)
		defer stop()
		s.takesLease("PRMR-1") // the second
		time.Sleep(time.Second)
		late := time.Now()
		for time.Since(late) < 8*time.Second {
			s.hangs("PRMR-1", 1) // it was on its way for long
			time.Sleep(time.Second)
			require.NotEqual(t, keys.StatusFailed, s.status("PRMR-1"))
			require.Equal(t, keys.StatusBad, s.status("PRMR-1"))
		}
		time.Sleep(5 * time.Second)
		require.Equal(t, keys.StatusFailed, s.status("PRMR-1"), "nothing else was heard of it for a grace period")
	})
}

// The disk answers at whatever moment of the pass in which the failure is recorded: the
// server has its lease, or FAILED is on record, never both.
func TestDiskAnswersInThePassOfTheVerdict(t *testing.T) {
	for name, at := range map[string]func(s *tree){
		"never":                           func(*tree) {},
		"before heartbeats are read":      func(s *tree) { s.looking = func() { s.takesLease("PRMR-1") } },
		"after heartbeats were read":      func(s *tree) { s.looked = func() { s.takesLease("PRMR-1") } },
		"before the record is replicated": func(s *tree) { s.before = func() { s.takesLease("PRMR-1") } },
	} {
		t.Run(name, func(t *testing.T) {
			bubbles.Test(t, func(t *testing.T) {
				s, stop := hanging(t)
				defer stop()
				s.hangs("PRMR-1", 1)
				time.Sleep(time.Second)
				require.Equal(t, keys.StatusBad, s.status("PRMR-1"))
				s.mu.Lock()
				at(s)
				s.mu.Unlock()
				time.Sleep(time.Second)
				if name == "never" {
					require.Equal(t, keys.StatusFailed, s.status("PRMR-1"))
					return
				}
				require.NotEqual(t, keys.StatusFailed, s.status("PRMR-1"))
				require.False(t, s.Root().At(keys.FailedServers+"/PRMR-1").Exists())
				time.Sleep(time.Second)
				require.Equal(t, keys.StatusGood, s.status("PRMR-1"))
			})
		})
	}
}

// A disk that hangs again under a new lease, before a pass has noticed that it answered,
// is recorded again: what is on record is of the old lease.
func TestDiskHangsAgainUnderANewLease(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s, stop := hanging(t)
		defer stop()
		s.hangs("PRMR-1", 1)
		time.Sleep(2 * time.Second)
		require.Equal(t, keys.StatusFailed, s.status("PRMR-1"))
		s.takesLease("PRMR-1")
		s.hangs("PRMR-1", 2)
		time.Sleep(time.Second)
		require.Equal(t, keys.StatusFailed, s.status("PRMR-1"))
		leases, _ := s.Root().At(keys.ServerHealth("PRMR-1") + "/Known/leases").Int()
		require.EqualValues(t, 2, leases)
	})
}

// A new leader of the agency takes the word of a server whose disk hangs, though it has
// never heard it alive.
func TestNewLeaderTakesAHangingDiskAtItsWord(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.plan(keys.PlanDBServers, "PRMR-1")
		s.set(keys.Health+"/PRMR-1", keys.HealthEntry{Status: keys.StatusGood})
		defer supervise(s)()
		time.Sleep(500 * time.Millisecond)
		s.hangs("PRMR-1", 0)
		time.Sleep(2 * time.Second)
		require.Equal(t, keys.StatusFailed, s.status("PRMR-1"))
	})
}
