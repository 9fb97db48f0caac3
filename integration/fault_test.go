package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/coordinator/backup"
	"stasis/event"
	"stasis/fault"
	"stasis/minicluster"
)

// holdAt holds the first create that reaches a step: the moment to break something.
func holdAt(name event.Name) (*fault.Trigger, event.Sink) {
	var at fault.Triggers
	return at.Hold(fault.Moment{Step: name, Operation: keys.OperationCreate}), at.Sink
}

// A coordinator that dies at any step of a create: before the commit nothing is
// left of it once the lease of the lock is over, after it the backup is complete.
// Writers go on, and Plan thaws.
func TestCoordinatorDiesDuringCreate(t *testing.T) {
	for name, listed := range map[event.Name]bool{
		event.AgencyLocked: false, event.Locked: false, event.CutDone: false, event.Linked: false, event.Sealed: false,
		event.Committed: true,
	} {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			hold, sink := holdAt(name)
			o := options(t, minicluster.InProcess)
			o.Seams.Steps = sink
			c := start(t, o)
			ctx, other := t.Context(), c.clients[1]
			require.NoError(t, c.db(1).CreateCollection(ctx, "people", 6))
			answer := make(chan error, 1)
			go func() {
				answer <- c.clients[0].Backup(ctx, "create", map[string]any{"label": "x"}, &backup.CreateResult{})
			}()
			<-hold.Reached()
			require.NoError(t, c.Kill("coordinator-1"))
			require.Error(t, <-answer)

			require.NoError(t, c.db(1).Put(ctx, "people", map[string]any{"_key": "a"}), "gates open by themselves")
			nothingHalfDone(t, other, o.Dir)
			require.NoError(t, c.db(1).CreateCollection(ctx, "thawed", 3))
			list := listBackups(t, other)
			if !listed {
				require.Empty(t, list)
				return
			}
			require.Len(t, list, 1)
			for id, b := range list {
				require.True(t, b.Available)
				require.NoError(t, other.Backup(ctx, "restore", map[string]any{"id": id}, &backup.RestoreResult{}))
			}
		})
	}
}

// A DB server that dies while the lock is held: the backup fails with its name, no
// piece is left anywhere, also not when it comes back, and the next backup works.
func TestDBServerDiesDuringCreate(t *testing.T) {
	for _, name := range []event.Name{event.AgencyLocked, event.Locked, event.Linking} {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			hold, sink := holdAt(name)
			o := options(t, minicluster.InProcess)
			o.Seams.Steps = sink
			c := start(t, o)
			ctx := t.Context()
			_, dbservers, _ := c.Nodes()
			answer := make(chan error, 1)
			go func() {
				answer <- c.clients[0].Backup(ctx, "create", map[string]any{"label": "x"}, &backup.CreateResult{})
			}()
			<-hold.Reached()
			require.NoError(t, c.Kill("dbserver-2"))
			hold.End()
			require.ErrorContains(t, <-answer, dbservers[1].ID)
			require.Nil(t, status(t, c.clients[1]).Lock, "the lock is released")

			require.NoError(t, c.Restart(ctx, "dbserver-2"))
			nothingHalfDone(t, c.clients[1], o.Dir)
			require.Empty(t, listBackups(t, c.clients[1]))
			require.NotEmpty(t, mustCreate(t, c, "next").ID)
		})
	}
}

// A DB server that dies after the commit publishes its piece when it starts
// again; until then the backup is listed as not available, with a piece less.
func TestDBServerDiesAfterTheCommit(t *testing.T) {
	t.Parallel()
	hold, sink := holdAt(event.Committed)
	o := options(t, minicluster.InProcess)
	o.Seams.Steps = sink
	c := start(t, o)
	ctx := t.Context()
	require.NoError(t, c.db(0).CreateCollection(ctx, "people", 6))
	fillPeople(t, c, 100)
	want := sumOf(t, c)
	answer := make(chan error, 1)
	var res backup.CreateResult
	go func() { answer <- c.clients[0].Backup(ctx, "create", map[string]any{"label": "x"}, &res) }()
	<-hold.Reached()
	require.NoError(t, c.Kill("dbserver-2"))
	hold.End()
	require.NoError(t, <-answer)
	require.Len(t, res.Unpublished, 1)

	b := listBackups(t, c.clients[1])[res.ID]
	require.False(t, b.Available)
	require.Equal(t, 2, b.NrPiecesPresent)
	err := c.clients[1].Backup(ctx, "restore", map[string]any{"id": res.ID}, &backup.RestoreResult{})
	require.Error(t, err)

	require.NoError(t, c.Restart(ctx, "dbserver-2"))
	eventually(t, time.Minute, func() error {
		return c.clients[1].Backup(ctx, "restore", map[string]any{"id": res.ID}, &backup.RestoreResult{})
	})
	require.Equal(t, want, sumOf(t, c))
}

// The agency's leader dies while a backup holds the lock: lock and freeze survive
// the change of leader, and the backup ends well or fails cleanly.
func TestAgencyLeaderDiesDuringCreate(t *testing.T) {
	t.Parallel()
	hold, sink := holdAt(event.Linking)
	o := options(t, minicluster.InProcess)
	o.Seams.Steps = sink
	c := start(t, o)
	ctx := t.Context()
	require.NoError(t, c.db(0).CreateCollection(ctx, "people", 6))
	answer := make(chan error, 1)
	var res backup.CreateResult
	go func() { answer <- c.clients[0].Backup(ctx, "create", map[string]any{"label": "x"}, &res) }()
	<-hold.Reached()
	held, _ := hold.Met()
	leader := status(t, c.clients[1]).Leader
	agents, _, _ := c.Nodes()
	for i, a := range agents {
		if a.ID == leader {
			require.NoError(t, c.Kill(nodeName("agent", i)))
		}
	}
	eventually(t, 30*time.Second, func() error {
		_, err := c.clients[1].Version(ctx)
		if err == nil && status(t, c.clients[1]).Leader == leader {
			err = context.DeadlineExceeded
		}
		return err
	})
	lock := status(t, c.clients[1]).Lock
	require.NotNil(t, lock)
	require.Equal(t, held.ID, lock.ID)
	hold.End()
	err := <-answer
	nothingHalfDone(t, c.clients[1], o.Dir)
	list := listBackups(t, c.clients[1])
	if err != nil {
		require.Empty(t, list)
	} else {
		require.True(t, list[res.ID].Available)
	}
}

func nodeName(role string, i int) string { return fmt.Sprintf("%s-%d", role, i+1) }
