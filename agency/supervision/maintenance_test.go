package supervision

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/bubbles"
)

func (s *tree) mode() string { return s.Root().At(keys.SupervisionMode).Text() }

func in(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }

// In maintenance the supervision says so and does nothing else: no health, no lock
// taken away, no job. Afterwards it does what has come up.
func TestMaintenanceStopsEverything(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.plan(keys.PlanDBServers, "PRMR-1")
		silent := s.beats("PRMR-1")
		defer supervise(s)()
		time.Sleep(3 * time.Second)
		s.set(keys.Maintenance, in(time.Hour))
		time.Sleep(time.Second + time.Millisecond)
		require.Equal(t, keys.ModeMaintenance, s.mode())
		was := s.machine.State().Index()
		silent()
		s.takeLock("n1")
		s.set(keys.TargetToDo+"/1", keys.Job{Type: keys.JobResignLeadership, Server: "PRMR-1"})
		time.Sleep(55 * time.Minute)
		require.Equal(t, was+2, s.machine.State().Index())
		require.Equal(t, keys.StatusGood, s.status("PRMR-1"))
		require.True(t, s.frozen())
		time.Sleep(6 * time.Minute)
		require.Equal(t, keys.ModeNormal, s.mode())
		require.False(t, s.Root().At(keys.Maintenance).Exists(), "it is over")
		require.Equal(t, keys.StatusFailed, s.status("PRMR-1"))
		require.False(t, s.frozen())
		require.Zero(t, s.Root().At(keys.TargetToDo).Len())
	})
}

// How long maintenance lasts, for every form of the request.
func TestMaintenanceEnds(t *testing.T) {
	for name, c := range map[string]struct {
		wish func() any
		ends bool
	}{
		"time":           {func() any { return in(time.Minute) }, true},
		"past":           {func() any { return in(-time.Minute) }, true},
		"short text":     {func() any { return "on" }, false},
		"true":           {func() any { return true }, false},
		"number":         {func() any { return 3600 }, false},
		"no time at all": {func() any { return "until the cows come home" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubbles.Test(t, func(t *testing.T) {
				s := newTree(t)
				s.set(keys.Maintenance, c.wish())
				defer supervise(s)()
				time.Sleep(2 * time.Hour)
				if c.ends {
					require.Equal(t, keys.ModeNormal, s.mode())
					require.False(t, s.Root().At(keys.Maintenance).Exists())
					return
				}
				require.Equal(t, keys.ModeMaintenance, s.mode())
				s.write(agencyclient.Tx{Ops: map[string]any{keys.Maintenance: agencyclient.Delete()}})
				time.Sleep(time.Second + time.Millisecond)
				require.Equal(t, keys.ModeNormal, s.mode())
			})
		})
	}
}

// The mode is written when it changes, not in every pass.
func TestModeIsWrittenOnChange(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		defer supervise(s)()
		time.Sleep(time.Hour)
		require.Zero(t, s.proposals())
		s.set(keys.Maintenance, true)
		time.Sleep(time.Hour)
		require.Equal(t, 1, s.proposals())
	})
}

// A DB server in maintenance may fail: that is recorded and makes no work, until
// its maintenance is over.
func TestServerMaintenance(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.plan(keys.PlanDBServers, "PRMR-1")
		silent := s.beats("PRMR-1")
		defer supervise(s)()
		time.Sleep(3 * time.Second)
		wish := keys.ServerMaintenance{Mode: "maintenance", Until: in(time.Hour)}
		s.set(keys.TargetMaintenance+"/PRMR-1", wish)
		time.Sleep(time.Second + time.Millisecond)
		var effective keys.ServerMaintenance
		require.NoError(t, s.Root().At(keys.CurrentMaintenance+"/PRMR-1").Decode(&effective))
		require.Equal(t, wish, effective)
		silent()
		time.Sleep(time.Minute)
		require.Equal(t, keys.StatusFailed, s.status("PRMR-1"))
		require.Zero(t, s.Root().At(keys.TargetToDo).Len()+s.Root().At(keys.TargetFinished).Len())
		time.Sleep(time.Hour)
		require.False(t, s.Root().At(keys.CurrentMaintenance+"/PRMR-1").Exists())
		require.False(t, s.Root().At(keys.TargetMaintenance+"/PRMR-1").Exists())

		s.set(keys.TargetMaintenance+"/PRMR-1", wish)
		s.set(keys.TargetMaintenance+"/PRMR-2", keys.ServerMaintenance{Mode: "maintenance", Until: in(time.Hour)})
		time.Sleep(time.Second + time.Millisecond)
		require.False(t, s.Root().At(keys.CurrentMaintenance+"/PRMR-1").Exists(), "its time is over")
		s.write(agencyclient.Tx{Ops: map[string]any{keys.TargetMaintenance + "/PRMR-2": agencyclient.Delete()}})
		time.Sleep(time.Second + time.Millisecond)
		require.False(t, s.Root().At(keys.CurrentMaintenance+"/PRMR-2").Exists(), "it was ended by a request")
	})
}
