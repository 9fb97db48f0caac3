package integration

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/coordinator/backup"
	"stasis/event"
	"stasis/fault"
	"stasis/internal/apierror"
)

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
