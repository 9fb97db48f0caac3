package integration

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/event"
	"stasis/fault"
	"stasis/fault/control"
	"stasis/internal/told"
	"stasis/lab/world"
	"stasis/lab/world/conformance"
)

// All faults of the table of worlds are done to processes, over their control sockets. Faults stand also when a process is
// another one, and when it could not be told because it was paused.
func TestFaultsOfProcesses(t *testing.T) {
	t.Parallel()
	program, err := binary()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	w, err := world.Start(ctx, world.Processes, world.Config{
		Agents: 1, DBServers: 2, Coordinators: 1, LatencyLeast: 10 * time.Microsecond, LatencyMost: 100 * time.Microsecond, Seed: 1, Dir: t.TempDir(), Program: program, Log: t.Output(),
		ClockSkew: time.Hour, Buggify: 0.01,
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, w.Close(context.Background())) }()
	conformance.Check(t, w)
	conformance.CheckDelayed(t, w)

	t.Log("a rule stands in the next process, and so does a hold")
	net := w.Network()
	before, err := net.Met("coordinator-1", "dbserver-1")
	require.NoError(t, err)
	require.Positive(t, before)
	late, err := net.Message(fault.Message{From: "coordinator-1", To: "dbserver-1", Do: fault.DelayIt, By: time.Millisecond})
	require.NoError(t, err)
	held, err := w.Hold(fault.Moment{Step: event.AgencyLocked})
	require.NoError(t, err)
	require.NoError(t, w.Kill("coordinator-1"))
	require.NoError(t, w.Restart(ctx, "coordinator-1"))
	after, err := net.Met("coordinator-1", "dbserver-1")
	require.NoError(t, err)
	require.GreaterOrEqual(t, after, before, "what was met stays known")
	var seen told.Events
	defer w.Watch(func(e event.Event) { seen.Sink(ctx, e) })()
	answer := make(chan error, 1)
	go func() {
		_, err := w.Clients()[0].Backups().Create(ctx, client.CreateRequest{Label: "again"})
		answer <- err
	}()
	select {
	case <-held.Reached():
	case err := <-answer:
		t.Fatal("it was not held", err)
	}
	all := seen.All()
	require.Equal(t, event.AgencyLocked, all[len(all)-1].Step, "watchers see a step before it is reached")
	held.End()
	require.NoError(t, <-answer)
	require.Positive(t, late.Met())

	t.Log("what a paused process was not told, it is told when it goes on")
	require.NoError(t, w.Pause("dbserver-1"))
	late.End()
	require.NoError(t, net.Cut("dbserver-1", "coordinator-1"))
	require.NoError(t, w.Resume("dbserver-1"))
	list, err := w.Cluster().Lab().Do(ctx, control.Order{Do: control.RuleList})
	require.NoError(t, err)
	holders := map[string]int{}
	for _, r := range list.Rules {
		require.NotEqual(t, "message", r.Kind)
		if r.Kind == "cut" {
			holders[r.Holder]++
		}
	}
	require.Equal(t, map[string]int{"dbserver-1": 1, "coordinator-1": 1}, holders)

	t.Log("a process that ends before it takes its faults is not waited for")
	require.NoError(t, w.HealAll())
	require.NoError(t, w.Kill("coordinator-1"))
	_, _, others := w.Cluster().Nodes()
	sockets := filepath.Dir(filepath.Join(others[0].Dir, control.SocketName))
	require.NoError(t, os.RemoveAll(sockets))
	require.NoError(t, os.WriteFile(sockets, nil, 0o600)) // it can serve no socket
	require.ErrorContains(t, w.Start(ctx, "coordinator-1"), "coordinator-1 has ended before it took the faults")
	require.NoError(t, os.Remove(sockets))
	require.NoError(t, w.Restart(ctx, "coordinator-1"))
}
