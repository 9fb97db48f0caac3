package supervision

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/client"
	"stasis/agency/keys"
)

// takesLease is what a DB server does before it serves again: a heartbeat that is
// answered, then the record that it takes a lease.
func (s *tree) takesLease(id string) {
	s.beat(id)
	s.write(client.Tx{Ops: map[string]any{keys.ServerKnown(id) + "/leases": client.Increment(1)}})
}

// silent makes a tree with one DB server that is BAD, whose failure is judged in
// the round that begins now.
func silent(t *testing.T) (s *tree, stop func()) {
	s = newTree(t)
	s.plan(keys.PlanDBServers, "PRMR-1")
	stop = supervise(s)
	time.Sleep(500 * time.Millisecond)
	s.beat("PRMR-1")
	time.Sleep(11 * time.Second) // 11.5 s: the round at 12 s finds an age of 11 s
	require.Equal(t, keys.StatusBad, s.status("PRMR-1"))
	return s, stop
}

// A failure that was judged before the server took a lease anew is not recorded
// after it, at whatever moment of the round that was: under the lease the server
// serves, and a recorded failure lets another lead in its place.
func TestFailureIsNotRecordedAfterANewLease(t *testing.T) {
	for name, at := range map[string]func(s *tree){
		"never":                           func(*tree) {},
		"after heartbeats were read":      func(s *tree) { s.looked = func() { s.takesLease("PRMR-1") } },
		"before the record is replicated": func(s *tree) { s.before = func() { s.takesLease("PRMR-1") } },
		"it is started anew": func(s *tree) {
			s.before = func() {
				s.write(client.Tx{Ops: map[string]any{keys.ServerKnown("PRMR-1") + "/rebootId": client.Increment(1)}})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, stop := silent(t)
				defer stop()
				s.mu.Lock()
				at(s)
				s.mu.Unlock()
				time.Sleep(time.Second)
				if name == "never" {
					require.Equal(t, keys.StatusFailed, s.status("PRMR-1"))
					require.Equal(t, 1, s.Root().At(keys.TargetFinished).Len()+s.Root().At(keys.TargetToDo).Len())
					return
				}
				require.Equal(t, keys.StatusBad, s.status("PRMR-1"))
				require.False(t, s.Root().At(keys.FailedServers+"/PRMR-1").Exists())
				require.Zero(t, s.Root().At(keys.TargetFinished).Len()+s.Root().At(keys.TargetToDo).Len())
			})
		})
	}
}

// Who takes the number of the job at the same moment does not delay the record.
func TestFailureIsRecordedThoughIDsAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := silent(t)
		defer stop()
		s.mu.Lock()
		s.before = func() { s.write(client.Tx{Ops: map[string]any{keys.LatestID: client.Increment(50)}}) }
		s.mu.Unlock()
		time.Sleep(time.Second)
		require.Equal(t, keys.StatusFailed, s.status("PRMR-1"))
		require.True(t, s.Root().At(keys.TargetFinished+"/151").Exists(), "%v", s.Root().At(keys.Target))
	})
}

// A failed server that was started anew, or took a lease, and fell silent before
// anybody heard it is recorded as failed again: what was recorded says nothing any more.
func TestFailureIsRecordedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := silent(t)
		time.Sleep(time.Second)
		require.Equal(t, keys.StatusFailed, s.status("PRMR-1"))
		stop()
		s.write(client.Tx{Ops: map[string]any{keys.ServerKnown("PRMR-1") + "/rebootId": client.Increment(1)}})
		defer supervise(s)()
		current := func() bool {
			return s.Root().At(keys.ServerHealth("PRMR-1")+"/Known/rebootId").String() == s.Root().At(keys.ServerKnown("PRMR-1")+"/rebootId").String()
		}
		time.Sleep(54*time.Second + time.Millisecond)
		require.False(t, current(), "it may be heard yet")
		time.Sleep(time.Second)
		require.True(t, current())
		require.Equal(t, 2, s.Root().At(keys.TargetFinished).Len(), "one job for each failure")
	})
}

// A supervisor that hangs in the middle of a round takes no heartbeat that it then finds
// for older than it is: the lease that the server took for it has only begun.
func TestHeartbeatFoundAfterAPauseIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := silent(t)
		defer stop()
		beaten := make(chan struct{})
		s.mu.Lock()
		s.rooted = func() {
			time.Sleep(20 * time.Second)
			s.beat("PRMR-1")
			close(beaten)
		}
		s.mu.Unlock()
		<-beaten
		time.Sleep(9 * time.Second)
		require.NotEqual(t, keys.StatusFailed, s.status("PRMR-1"))
		time.Sleep(4 * time.Second)
		require.Equal(t, keys.StatusFailed, s.status("PRMR-1"))
	})
}
