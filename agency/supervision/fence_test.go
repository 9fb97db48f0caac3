package supervision

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/bubbles"
)

// takesLease is what a DB server does before it serves again: a heartbeat that is
// answered, then the record that it takes a lease.
func (s *tree) takesLease(id string) {
	s.beat(id)
	s.write(agencyclient.Tx{Ops: map[string]any{keys.ServerKnown(id) + "/leases": agencyclient.Increment(1)}})
}

// silent makes a tree with one DB server that is BAD, whose failure is judged in
// the pass that begins now.
func silent(t *testing.T) (s *tree, stop func()) {
	s = newTree(t)
	s.plan(keys.PlanDBServers, "PRMR-1")
	stop = supervise(s)
	time.Sleep(500 * time.Millisecond)
	s.beat("PRMR-1")
	time.Sleep(11 * time.Second) // 11.5 s: the pass at 12 s finds an age of 11 s
	require.Equal(t, keys.StatusBad, s.status("PRMR-1"))
	return s, stop
}

// A failure that was judged before the server took another lease is not recorded
// after it, at whatever moment of the pass that was: under the lease the server
// serves, and a recorded failure lets another lead in its place.
func TestFailureIsNotRecordedAfterANewLease(t *testing.T) {
	for name, at := range map[string]func(s *tree){
		"never":                           func(*tree) {},
		"after heartbeats were read":      func(s *tree) { s.looked = func() { s.takesLease("PRMR-1") } },
		"before the record is replicated": func(s *tree) { s.before = func() { s.takesLease("PRMR-1") } },
		"it is restarted": func(s *tree) {
			s.before = func() {
				s.write(agencyclient.Tx{Ops: map[string]any{keys.ServerKnown("PRMR-1") + "/rebootId": agencyclient.Increment(1)}})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubbles.Test(t, func(t *testing.T) {
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
				require.Equal(t, keys.StatusBad, s.status("PRMR-1"), "a server that has its lease is recorded as failed")
				require.False(t, s.Root().At(keys.FailedServers+"/PRMR-1").Exists())
				require.Zero(t, s.Root().At(keys.TargetFinished).Len()+s.Root().At(keys.TargetToDo).Len())
			})
		})
	}
}

// Who takes the number of the job at the same moment does not delay the record.
func TestFailureIsRecordedThoughIDsAreTaken(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s, stop := silent(t)
		defer stop()
		s.mu.Lock()
		s.before = func() { s.write(agencyclient.Tx{Ops: map[string]any{keys.LatestID: agencyclient.Increment(50)}}) }
		s.mu.Unlock()
		time.Sleep(time.Second)
		require.Equal(t, keys.StatusFailed, s.status("PRMR-1"))
		require.True(t, s.Root().At(keys.TargetFinished+"/151").Exists(), "%v", s.Root().At(keys.Target))
	})
}

// A failed server that restarted, or took a lease, and fell silent before a leader
// heard it is recorded as failed again: what was recorded says nothing any more.
func TestFailureIsRecordedAgain(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s, stop := silent(t)
		time.Sleep(time.Second)
		require.Equal(t, keys.StatusFailed, s.status("PRMR-1"))
		stop()
		s.write(agencyclient.Tx{Ops: map[string]any{keys.ServerKnown("PRMR-1") + "/rebootId": agencyclient.Increment(1)}})
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

// A pass that takes long, because the agency does, makes neither a server nor the holder of
// the lock look more silent than it is.
func TestSlowPassesJudgeNoServerEarly(t *testing.T) {
	slow := func(s *tree, then func()) { // the next proposal takes eight seconds
		s.mu.Lock()
		defer s.mu.Unlock()
		s.before = func() { time.Sleep(8 * time.Second); then() }
	}
	t.Run("heartbeat in a slow pass", func(t *testing.T) {
		bubbles.Test(t, func(t *testing.T) {
			s := newTree(t)
			s.plan(keys.PlanDBServers, "PRMR-1")
			defer supervise(s)()
			s.beat("PRMR-1")
			time.Sleep(2500 * time.Millisecond)
			s.beat("PRMR-1")
			time.Sleep(time.Second)
			var beat time.Time
			slow(s, func() { s.beat("PRMR-1"); beat = time.Now() })
			s.set(keys.SupervisionGrace, 11) // an edit by hand: the next pass puts it right first
			for s.status("PRMR-1") != keys.StatusFailed {
				time.Sleep(100 * time.Millisecond)
			}
			require.GreaterOrEqual(t, time.Since(beat), 10*time.Second)
		})
	})
	t.Run("heartbeat just before they are read", func(t *testing.T) {
		bubbles.Test(t, func(t *testing.T) {
			s := newTree(t)
			s.plan(keys.PlanDBServers, "PRMR-1")
			defer supervise(s)()
			time.Sleep(500 * time.Millisecond)
			var beat time.Time
			s.mu.Lock()
			s.looking = func() { time.Sleep(8 * time.Second); s.beat("PRMR-1"); beat = time.Now() }
			s.mu.Unlock()
			for s.status("PRMR-1") != keys.StatusFailed {
				time.Sleep(100 * time.Millisecond)
			}
			require.GreaterOrEqual(t, time.Since(beat), 10*time.Second)
		})
	})
	t.Run("heartbeat just after they were read", func(t *testing.T) {
		bubbles.Test(t, func(t *testing.T) {
			s := newTree(t)
			s.plan(keys.PlanDBServers, "PRMR-1")
			s.set(keys.ServerHealth("PRMR-1"), keys.HealthEntry{Status: keys.StatusGood})
			defer supervise(s)()
			time.Sleep(500 * time.Millisecond)
			s.beat("PRMR-1")
			time.Sleep(6 * time.Second) // seen at 1 s, BAD since 7 s at the latest
			for s.status("PRMR-1") != keys.StatusBad {
				time.Sleep(100 * time.Millisecond)
			}
			s.mu.Lock()
			s.looked = func() { s.beat("PRMR-1"); time.Sleep(4 * time.Second) }
			s.mu.Unlock()
			time.Sleep(5500 * time.Millisecond)
			require.NotEqual(t, keys.StatusFailed, s.status("PRMR-1"))
		})
	})
	t.Run("lock taken in a slow pass", func(t *testing.T) {
		bubbles.Test(t, func(t *testing.T) {
			s := newTree(t)
			s.plan(keys.PlanDBServers, "PRMR-1")
			slow(s, func() { s.takeLock("n1") })
			s.set(keys.SupervisionGrace, 11)
			defer supervise(s)()
			time.Sleep(8*time.Second + 7*time.Second)
			require.True(t, s.frozen(), "its lease is 7.5 s")
			time.Sleep(2 * time.Second)
			require.False(t, s.frozen())
		})
	})
}
