package minicluster

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/event"
	"stasis/fault"
)

// A hold of a cluster in one process holds an operation after the call that made the hold.
func TestHoldInThisProcess(t *testing.T) {
	t.Parallel()
	c, err := Start(t.Context(), Options{Dir: t.TempDir(), Agents: 1, DBServers: 1, Coordinators: 1, BasePort: basePort(t), Lab: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Stop(t.Context())) }()
	held, err := c.Lab().Hold(t.Context(), fault.Moment{Step: event.CutDone})
	require.NoError(t, err)
	defer held.End()
	went := make(chan struct{})
	var emitting sync.WaitGroup
	defer emitting.Wait()
	emitting.Go(func() {
		c.setup.here.steps.Sink(t.Context(), event.Event{Step: event.CutDone})
		close(went)
	})
	select {
	case <-held.Reached():
	case <-went:
		require.Fail(t, "nothing held it")
	}
	held.End()
	<-went
}
