package integration

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/client"
	"stasis/event"
	"stasis/fault"
)

// creates starts a backup through a coordinator. made is there when the answer is.
func (b *bubble) creates(coordinator int, label string, made *client.CreateResult) (answer <-chan error) {
	ended := make(chan error, 1)
	go func() { // ends before the test: its answer is awaited
		var err error
		*made, err = b.clients[coordinator].Backups().Create(b.t.Context(), client.CreateRequest{Label: label})
		ended <- err
	}()
	return ended
}

// A DB server that dies after the commit publishes its piece when it starts
// again; until then the backup is listed as not available, with a piece less.
func TestDBServerDiesAfterTheCommit(t *testing.T) {
	inBubble(t, 41, func(b *bubble) {
		t, ctx, c := b.t, b.t.Context(), b.cluster()
		require.NoError(t, c.db(0).CreateCollection(ctx, "people", 6))
		fillPeople(t, c, 100)
		want := sumOf(t, c)
		hold := b.hold(fault.Moment{Step: event.Committed, Operation: keys.OperationCreate})
		var made client.CreateResult
		answer := b.creates(0, "x", &made)
		<-hold.Reached()
		require.NoError(t, b.Kill("dbserver-2"))
		hold.End()
		require.NoError(t, <-answer)
		require.Len(t, made.Unpublished, 1)

		listed := listBackups(t, c.clients[1])[made.ID]
		require.False(t, listed.Available)
		require.Equal(t, 2, listed.NrPiecesPresent)
		restore := func() error {
			_, err := c.clients[1].Backups().Restore(ctx, client.RestoreRequest{ID: made.ID})
			return err
		}
		require.Error(t, restore())

		b.restart("dbserver-2")
		b.await(time.Minute, restore)
		require.Equal(t, want, sumOf(t, c))
	})
}
