package world

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
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

// What is healed meanwhile does not let a server go on that is paused, and what froze it before does not let it go on with its pause:
// pauses and faults end each for themselves.
func TestPauseOutlastsHealing(t *testing.T) {
	inBubble(t, func(t *testing.T, w World) {
		const server = "coordinator-1"
		answers := func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			return w.Clients()[0].Do(ctx, "GET", client.PathStatus, nil, &client.Status{}) == nil
		}
		changes := func() bool { // its disk
			changed := make(chan error, 1)
			fs := w.(*local).disks.FS(server)
			go func() { changed <- fs.MkdirAll(fmt.Sprint("/looked-", time.Now().UnixNano()), 0o755) }()
			select {
			case err := <-changed:
				require.NoError(t, err)
				return true
			case <-time.After(time.Second):
				return false
			}
		}
		require.True(t, answers())
		require.NoError(t, w.Pause(server))
		require.False(t, answers())
		require.NoError(t, w.Network().HealAll())
		require.False(t, answers(), "it is paused, and the network was healed")
		require.NoError(t, w.Network().Freeze(server))
		require.NoError(t, w.Network().Thaw(server))
		require.False(t, answers(), "it is paused, and a freeze of its host is over")
		disk, err := w.Disk(server)
		require.NoError(t, err)
		require.NoError(t, disk.HealAll())
		require.False(t, changes(), "it is paused, and its disk was healed")
		require.NoError(t, w.Network().Freeze(server))
		require.NoError(t, w.Resume(server))
		require.True(t, changes())
		require.False(t, answers(), "its host is frozen, and its pause is over")
		require.NoError(t, w.Network().HealAll())
		require.True(t, answers())
		require.NoError(t, w.Pause(server))
		require.NoError(t, w.HealAll())
		require.True(t, answers(), "all was healed")
		require.NoError(t, w.Pause(server))
		require.NoError(t, w.Kill(server))
		require.NoError(t, w.Restart(t.Context(), server))
		require.NoError(t, w.Network().HealAll())
		require.True(t, answers(), "another process is not paused")
	})
}
