package agency

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
)

// slowDisks makes every agent's disk hang for so long, again and again, until the test ends.
func (c *cluster) slowDisks(each, pause time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(c.t.Context())
	var slow sync.WaitGroup
	for _, s := range c.stores {
		slow.Go(func() {
			for ctx.Err() == nil {
				thaw := s.Freeze()
				time.Sleep(each)
				thaw()
				time.Sleep(pause)
			}
		})
	}
	return func() {
		cancel()
		slow.Wait()
	}
}

// TestAllDisksAreSlow: where a call takes one and a half times what is borne at first, on
// all agents, the agency loses its leader once or twice, and then works, slowly.
func TestAllDisksAreSlow(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		c.ask(c.leader(), "write", `[[{"x":0}]]`)
		stop := c.slowDisks(1600*time.Millisecond, time.Millisecond)
		defer stop()
		written, gagged := 0, 0
		for begin := time.Now(); time.Since(begin) < 5*time.Minute; time.Sleep(100 * time.Millisecond) {
			for name, a := range c.agents {
				if a.fence.Hang() != nil {
					gagged++
				}
				if a.IsLeader() {
					if r, err := c.try(t.Context(), name, "write", `[[{"x":{"op":"increment"}}]]`); err == nil && r.status == 200 && time.Since(begin) > time.Minute {
						written++
					}
				}
			}
		}
		t.Logf("%d writes in four minutes, %d times an agent was found gagged", written, gagged)
		require.Positive(t, gagged)
		require.Greater(t, written, 30)
	})
}

// TestPatience: what is borne depends on what is written, doubles with every disk that
// turns out to be slow, and gets older only while the process runs.
func TestPatience(t *testing.T) {
	w := newDiskWatch()
	looks := func(n int) (overdue bool) {
		for range n {
			overdue = w.look(time.Second) != nil
		}
		return overdue
	}
	end := w.begin("write", 0)
	require.False(t, looks(looksPerPatience))
	require.True(t, looks(1))
	require.Equal(t, "write", w.look(time.Second).what)
	end()
	require.False(t, looks(1))
	w.returned()
	end = w.begin("write", 0)
	require.False(t, looks(2*looksPerPatience))
	require.True(t, looks(1))
	end()
	for range 10 {
		w.returned()
	}
	end = w.begin("write", 0)
	require.False(t, looks(mostPatience*looksPerPatience))
	require.True(t, looks(1))
	end()
	require.False(t, looks(calmLooks))
	end = w.begin("write", 0)
	require.False(t, looks(looksPerPatience))
	require.True(t, looks(1), "as impatient as in the beginning")
	end()
	end = w.begin("write", 10*slowestDisk)
	require.False(t, looks(11*looksPerPatience))
	require.True(t, looks(1))
	end()
}

// TestOwnSnapshotMayTakeItsTime: it is written beside Raft's loop.
func TestOwnSnapshotMayTakeItsTime(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		w, hang := newDiskWatch(), &frost{}
		shots := watchedSnapshots{&memorySnapshots{frost: hang}, w}
		sink, err := shots.Create(1, 7, 2, raft.Configuration{}, 1, nil)
		require.NoError(t, err)
		closing := func(close func() error) *diskCall {
			thaw := hang.freeze()
			closed := make(chan error, 1)
			go func() { closed <- close() }()
			synctest.Wait()
			var overdue *diskCall
			for range looksPerPatience + 1 {
				overdue = w.look(time.Second)
			}
			thaw()
			require.NoError(t, <-closed)
			return overdue
		}
		received := closing(sink.Close)
		require.NotNil(t, received)
		require.Equal(t, "publish a snapshot", received.what)
		m := newMachine(10, nil)
		own, err := m.Snapshot()
		require.NoError(t, err)
		require.Nil(t, closing(func() error { return own.Persist(sink) }))
	})
}
