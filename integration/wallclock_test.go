package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/event"
	"stasis/fault"
	"stasis/internal/told"
	"stasis/lab/world"
	"stasis/minicluster"
)

// skews are wall clocks that are hours apart.
var skews = map[string]time.Duration{
	"agent-1": 7 * time.Hour, "agent-2": -5 * time.Hour, "agent-3": 30 * time.Minute,
	"dbserver-1": -9 * time.Hour, "dbserver-2": 3 * time.Hour, "dbserver-3": 11 * time.Hour,
	"coordinator-1": 10 * time.Hour, "coordinator-2": -10 * time.Hour,
}

// Wall clocks that are hours apart, and that jump, break nothing: no server is given up that lives, no lock expires that
// is renewed, a leader that dies has a successor as soon as ever, and every backup is the state of its instant.
func TestWallClocksThatAreWrong(t *testing.T) {
	var clocks fault.WallClocks // wrong from the start; the lab's are so later
	for name, off := range skews {
		clocks.Of(name).Skew(off)
	}
	s := &told.Events{}
	wrong := func(o *minicluster.Options) { o.Seams.Wall = clocks.Now }
	inBubbleOf(t, world.Config{Agents: 3, DBServers: 3, Coordinators: 2, Adjust: wrong}, 31, func(b *bubble) {
		t := b.t
		defer b.Watch(func(e event.Event) { s.Sink(t.Context(), e) })()
		b.create("c", 2, 1)
		b.mustPut("a", 5)
		began := time.Now()
		first := b.backedUpBy(0, "first")
		require.True(t, strings.HasPrefix(first.ID, began.Add(10*time.Hour).UTC().Format("2006-01-02T15.")), first.ID)

		held := b.hold(fault.Moment{Step: event.Linking, Label: "second"})
		ended := make(chan client.CreateResult, 1)
		go func() { ended <- b.backedUpBy(1, "second") }() // ends before the test: it is received
		<-held.Reached()
		b.mustPut("late", 3)
		for name, off := range skews { // while the lock is held
			clocks.Of(name).Skew(-off)
			time.Sleep(20 * time.Second)
		}
		held.End()
		second := <-ended
		require.NotContains(t, stepsOf(s), event.AgencyLockExpired)
		require.NotContains(t, stepsOf(s), event.ShardLeaderChanged, "every server lives")

		b.failsOver()
		for _, name := range append(append(b.agents(), b.servers()...), "coordinator-1", "coordinator-2") {
			require.Positive(t, clocks.Of(name).Met(), name)
		}
		b.goesBackTo(second.ID, 5)
		b.goesBackTo(first.ID, 5)
	})
}

// stepsOf are the steps of all events so far.
func stepsOf(s *told.Events) []event.Name { return s.Steps(func(event.Event) bool { return true }) }

func (b *bubble) backedUpBy(coordinator int, label string) client.CreateResult {
	made, err := b.clients[coordinator].Backups().Create(b.t.Context(), client.CreateRequest{Label: label})
	if err != nil {
		b.t.Error(err)
	}
	return made
}

// failsOver has the agency's leader and a DB server die, and others lead in time.
func (b *bubble) failsOver() {
	b.t.Helper()
	agent := b.agencyLeader()
	require.NoError(b.t, b.Kill(agent))
	require.NoError(b.t, b.Kill("dbserver-1"))
	b.await(time.Minute, func() error {
		for i := range 20 { // in all shards
			if err := b.put(fmt.Sprintf("after%d", i)); err != nil && !strings.Contains(err.Error(), "unique") {
				return err
			}
		}
		return nil
	})
	b.restart(agent)
	b.restart("dbserver-1")
	b.heal()
}

// goesBackTo restores a backup that has n documents.
func (b *bubble) goesBackTo(id string, n int64) {
	b.t.Helper()
	_, err := b.clients[0].Backups().Restore(b.t.Context(), client.RestoreRequest{ID: id})
	require.NoError(b.t, err)
	b.heal()
	b.mustCount(n)
}

// agencyLeader is the name of the agent that leads, by what the agents themselves say.
func (b *bubble) agencyLeader() string {
	agents, _, _ := b.Cluster().Nodes()
	for _, a := range agents {
		config, err := b.agency.ConfigOf(b.t.Context(), a.URL)
		if err == nil && config.LeaderID == a.ID {
			return a.Name
		}
	}
	return ""
}
