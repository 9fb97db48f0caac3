package integration

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/client"
	"stasis/event"
	"stasis/fault"
)

// A coordinator that dies at any step of a create: before the commit nothing is
// left of it once the lease of the lock is over, after it the backup is complete.
// Writers go on, and Plan thaws.
func TestCoordinatorDiesDuringCreate(t *testing.T) {
	for name, listed := range map[event.Name]bool{
		event.AgencyLocked: false, event.Locked: false, event.CutDone: false, event.Linked: false, event.Sealed: false,
		event.Committed: true,
	} {
		t.Run(string(name), func(t *testing.T) {
			inBubble(t, 45, func(b *bubble) {
				t, ctx, c, other := b.t, b.t.Context(), b.cluster(), b.clients[0]
				require.NoError(t, c.db(0).CreateCollection(ctx, "people", 6))
				require.Error(t, b.killedAt(name, "coordinator-2"))

				begun := time.Now()
				require.NoError(t, c.db(0).Put(ctx, "people", map[string]any{"_key": "a"}), "gates open by themselves")
				require.Less(t, time.Since(begun), 2*time.Second, "long before a lease ends")
				b.nothingLeft(time.Minute)
				require.NoError(t, c.db(0).CreateCollection(ctx, "thawed", 3))
				list := listBackups(t, other)
				if !listed {
					require.Empty(t, list)
					return
				}
				require.Len(t, list, 1)
				for id, made := range list {
					require.True(t, made.Available)
					_, err := other.Backups().Restore(ctx, client.RestoreRequest{ID: id})
					require.NoError(t, err)
				}
			})
		})
	}
}

// killedAt kills a server when a create of the second coordinator is at a step, and gives what the create ends with.
func (b *bubble) killedAt(step event.Name, server string) error {
	b.t.Helper()
	hold := b.hold(fault.Moment{Step: step, Operation: keys.OperationCreate})
	answer := b.creates(1, "x", new(client.CreateResult))
	<-hold.Reached()
	require.NoError(b.t, b.Kill(server))
	hold.End()
	return <-answer
}

// A DB server that dies while the lock is held: the backup fails with its name, no
// piece is left anywhere, also not when it comes back, and the next backup works.
func TestDBServerDiesDuringCreate(t *testing.T) {
	for _, name := range []event.Name{event.AgencyLocked, event.Locked, event.Linking} {
		t.Run(string(name), func(t *testing.T) {
			inBubble(t, 46, func(b *bubble) {
				t, other := b.t, b.clients[0]
				_, dbservers, _ := b.Cluster().Nodes()
				require.ErrorContains(t, b.killedAt(name, "dbserver-2"), dbservers[1].ID)
				b.await(time.Second, func() error { // the other coordinator hears of it
					if status(t, other).Lock != nil {
						return errors.New("the lock is not released")
					}
					return nil
				})

				b.restart("dbserver-2")
				b.nothingLeft(time.Minute)
				require.Empty(t, listBackups(t, other))
				_, err := other.Backups().Create(t.Context(), client.CreateRequest{Label: "next"})
				require.NoError(t, err)
			})
		})
	}
}

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

// The agency's leader dies while a backup holds the lock: lock and freeze survive
// the change of leader, and the backup ends well or fails cleanly.
func TestAgencyLeaderDiesDuringCreate(t *testing.T) {
	inBubble(t, 42, func(b *bubble) {
		t, ctx, c := b.t, b.t.Context(), b.cluster()
		require.NoError(t, c.db(0).CreateCollection(ctx, "people", 6))
		hold := b.hold(fault.Moment{Step: event.Linking, Operation: keys.OperationCreate})
		var made client.CreateResult
		answer := b.creates(0, "x", &made)
		<-hold.Reached()
		held := status(t, c.clients[1]).Lock
		require.NotNil(t, held)
		leader := b.agencyLeader()
		require.NoError(t, b.Kill(leader))
		b.await(time.Minute, func() error {
			if next := b.agencyLeader(); next == "" || next == leader {
				return errors.New("no other agent leads")
			}
			_, err := c.clients[1].Status(ctx)
			return err
		})
		lock := status(t, c.clients[1]).Lock
		require.NotNil(t, lock)
		require.Equal(t, held.ID, lock.ID)
		hold.End()
		err := <-answer
		b.nothingLeft(time.Minute)
		list := listBackups(t, c.clients[1])
		if err != nil {
			require.Empty(t, list)
		} else {
			require.True(t, list[made.ID].Available)
		}
	})
}
