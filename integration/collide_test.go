package integration

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/coordinator/backup"
	"stasis/event"
	"stasis/fault"
	"stasis/internal/apierror"
)

// Two creates at once on two coordinators, again and again: never two within the
// lock, and with time enough both succeed, one after the other.
func TestTwoBackupsAtOnce(t *testing.T) {
	inBubble(t, 43, func(b *bubble) {
		t := b.t
		within, overlaps, entered := 0, 0, 0
		defer b.Watch(func(e event.Event) { // one event after the other
			switch e.Step {
			case event.AgencyLocked:
				entered++
				if within++; within != 1 {
					overlaps++
				}
			case event.Committing: // the lock goes with the commit: from here on another may have it
				within--
			}
		})()
		rounds := scale(8, 100)
		for round := range rounds {
			var wg sync.WaitGroup
			var made [2]client.CreateResult
			var errs [2]error
			for i := range 2 {
				wg.Go(func() {
					request := client.CreateRequest{Label: fmt.Sprintf("r%d-%d", round, i), Timeout: time.Minute}
					made[i], errs[i] = b.clients[i].Backups().Create(t.Context(), request)
				})
			}
			wg.Wait()
			require.NoError(t, errors.Join(errs[:]...))
			require.NotEqual(t, made[0].ID, made[1].ID)
		}
		require.Zero(t, overlaps)
		require.Equal(t, 2*rounds, entered)
		require.Len(t, listBackups(t, b.clients[1]), 2*rounds)
	})
}

// A backup that cannot have the lock in time fails and names the holder; data
// definition waits for the cut, and not for the links; the backup that held on is not
// harmed.
func TestWhoComesSecondIsToldTheHolder(t *testing.T) {
	inBubble(t, 44, func(b *bubble) {
		t, ctx, c := b.t, b.t.Context(), b.cluster()
		before, links := b.hold(fault.Moment{Step: event.Prepare, Label: "first"}), b.hold(fault.Moment{Step: event.Linking, Label: "first"})
		var first client.CreateResult
		done := b.creates(0, "first", &first)
		<-before.Reached()

		var second backup.CreateResult
		err := c.clients[1].Backup(ctx, "create", map[string]any{"label": "second", "timeout": 2.5}, &second)
		require.ErrorIs(t, err, apierror.BackupCreate)
		require.ErrorContains(t, err, "_first")
		lock := status(t, c.clients[1]).Lock
		require.NotNil(t, lock)
		require.True(t, lock.PlanFrozen)
		require.Greater(t, lock.HeldSeconds, 1.0)

		created := make(chan error, 1)
		go func() { created <- c.db(1).CreateCollection(ctx, "waits", 3) }()
		time.Sleep(5 * time.Second)
		select {
		case err := <-created:
			t.Fatalf("a collection was created while Plan was frozen: %v", err)
		default: // it would have been there long ago
		}
		before.End()
		require.NoError(t, <-created, "the links are not waited for")
		<-links.Reached()
		lock = status(t, c.clients[1]).Lock
		require.NotNil(t, lock, "others are kept out until the commit")
		require.False(t, lock.PlanFrozen)
		require.Equal(t, string(event.Linking), lock.Phase)
		links.End()
		require.NoError(t, <-done)
		require.True(t, listBackups(t, c.clients[1])[first.ID].Available)
		require.Len(t, listBackups(t, c.clients[1]), 1)
	})
}
