package world

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"stasis/event"
	"stasis/internal/bubbles"
)

// A server that is paused does not notice that the time of an operation is over: it tells its step when it goes on.
func TestPausedServerDoesNotNoticeTheTime(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		var s stream
		told := 0
		defer s.watch(func(event.Event) { told++ })()
		require.True(t, s.pauses.begin("PRMR-1"))
		over, cancel := context.WithCancel(t.Context())
		cancel()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.sink(over, event.Event{Step: event.CutDone, Emitter: "PRMR-1"})
		}()
		synctest.Wait()
		require.Zero(t, told, "a server that is stopped tells a step")
		s.pauses.end("PRMR-1")
		<-ended
		require.Equal(t, 1, told)
	})
}
