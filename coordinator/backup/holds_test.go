package backup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/event"
	"stasis/internal/wait"
)

// writers write to every server, one after the other, until stopped; the longest write
// is how long the gates held up a writer.
type writers struct {
	mu      sync.Mutex
	longest time.Duration
	group   sync.WaitGroup
	cancel  context.CancelFunc
}

func (w *world) writers() *writers {
	ctx, cancel := context.WithCancel(context.Background())
	all := &writers{cancel: cancel}
	for _, s := range w.servers {
		all.group.Go(func() {
			for n := 1; ctx.Err() == nil; n++ {
				begun := time.Now()
				_ = s.write(ctx, n)
				all.mu.Lock()
				all.longest = max(all.longest, time.Since(begun))
				all.mu.Unlock()
				_ = wait.For(ctx, time.Millisecond)
			}
		})
	}
	return all
}

func (a *writers) stop() time.Duration {
	a.cancel()
	a.group.Wait()
	return a.longest
}

// faultsOfLinks are all combinations of a moment at which gates are asked for, held or
// opened, and of servers that the coordinator loses at that moment.
func faultsOfLinks(t *testing.T, test func(t *testing.T, at event.Name, cut []string)) {
	for _, at := range []event.Name{event.LockAttempt, event.Locked, event.Cut, event.CutDone} {
		for n := 1; n <= len(threeServers); n++ {
			t.Run(fmt.Sprintf("%s, %d cut off", at, n), func(t *testing.T) { test(t, at, threeServers[:n]) })
		}
	}
}

// The coordinator is cut off from one server, from some or from all, or it stops, at any
// moment at which it asks for gates, holds them or opens them: no writer of any server
// waits for longer than a second.
func TestWritersWaitForAtMostASecond(t *testing.T) {
	faultsOfLinks(t, func(t *testing.T, at event.Name, cut []string) {
		inWorld(t, threeServers, func(w *world) {
			writers, fired := w.writers(), false
			defer writers.stop()
			s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
				if e.Step == at && !fired {
					fired = true
					for _, id := range cut {
						w.servers[id].quirk(func(q *quirks) { q.deaf = true })
					}
				}
			}))
			_, err := s.Create(context.Background(), CreateRequest{})
			longest := writers.stop()
			require.True(t, fired)
			require.ErrorContains(t, err, "does not answer")
			require.True(t, slices.ContainsFunc(cut, func(id string) bool { return strings.Contains(err.Error(), id) }), err)
			require.LessOrEqual(t, longest, time.Second)
			if at != event.LockAttempt { // else the requests were lost
				require.Greater(t, longest, 400*time.Millisecond, "the gates were held")
			}
			require.False(t, w.agency.root().At(keys.HotBackupCreate).Exists(), "failover must go on")
			w.requireOpen("at once")
		})
	})
}

// A link that comes back, or a coordinator that stood still for a while, costs an
// attempt and not the backup.
func TestLostGateIsTriedAgain(t *testing.T) {
	faultsOfLinks(t, func(t *testing.T, at event.Name, cut []string) {
		inWorld(t, threeServers, func(w *world) {
			deaf := func(yes bool) {
				for _, id := range cut {
					w.servers[id].quirk(func(q *quirks) { q.deaf = yes })
				}
			}
			writers, fired := w.writers(), false
			defer writers.stop()
			s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
				if e.Step == at && !fired {
					fired = true
					deaf(true)
					time.AfterFunc(700*time.Millisecond, func() { deaf(false) })
				}
			}))
			r, err := s.Create(context.Background(), CreateRequest{})
			require.NoError(t, err)
			require.LessOrEqual(t, writers.stop(), time.Second)
			require.True(t, fired)
			require.Greater(t, len(r.LockReport.Attempts), 1)
			require.Subset(t, cut, slices.Collect(maps.Keys(r.LockReport.Attempts[0].Failed)))
			require.NotEmpty(t, r.LockReport.Attempts[0].Failed)
			require.False(t, r.PotentiallyInconsistent)
			w.requireBackup("tried again", r.ID)
		})
	})
}

// A server that hangs when the backup fails for another reason does not keep the gates
// of the others, nor the lock, for longer than an answer takes.
func TestUndoDoesNotWaitForAServerThatHangs(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		writers := w.writers()
		defer writers.stop()
		var begun time.Time
		ctx, leave := context.WithCancel(context.Background())
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
			if e.Step == event.Locked {
				w.servers["PRMR-2"].quirk(func(q *quirks) { q.deaf = true })
				begun = time.Now()
				leave()
			}
		}))
		_, err := s.Create(ctx, CreateRequest{})
		require.Error(t, err)
		require.Less(t, time.Since(begun), 4*time.Second)
		require.LessOrEqual(t, writers.stop(), 600*time.Millisecond)
		require.False(t, w.agency.root().At(keys.HotBackupCreate).Exists())
		require.Empty(t, w.servers["PRMR-1"].pieceIDs())
	})
}
