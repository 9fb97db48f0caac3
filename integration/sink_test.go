package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/dbserver/transfer/remotetest"
	"stasis/event"
	"stasis/internal/told"
	"stasis/lab/world"
	"stasis/minicluster"
)

// sleeper is a sink that sleeps at the events of some steps, and keeps all.
type sleeper struct {
	told.Events
	sleeps func(event.Name) bool
}

func (s *sleeper) sink(ctx context.Context, e event.Event) {
	s.Sink(ctx, e)
	if s.sleeps(e.Step) {
		time.Sleep(100 * time.Millisecond)
	}
}

// everyOperation creates, uploads, verifies, deletes, downloads and restores a backup while a sink
// sleeps at some of the steps, of every server.
func everyOperation(t *testing.T, s *sleeper, after func(*bubble, client.CreateResult)) {
	t.Helper()
	remote := remotetest.NewMemory()
	sleeping := func(o *minicluster.Options) {
		o.Seams.Steps, o.Seams.Remotes = event.Tee(o.Seams.Steps, s.sink), remote.Opener()
	}
	inBubbleOf(t, world.Config{Agents: 3, DBServers: 3, Coordinators: 2, Adjust: sleeping}, 1, func(b *bubble) {
		t, backups := b.t, b.clients[0].Backups()
		b.create("c", 2, 1)
		require.NoError(t, b.clients[0].Database("_system").Put(t.Context(), "c", map[string]any{"_key": "k"}))
		created, err := backups.Create(t.Context(), client.CreateRequest{Label: "slow"})
		require.NoError(t, err)
		at := client.Remote{Path: "r:/backups", Config: client.RemoteConfig{"r": {"type": "local"}}}
		b.transfer(client.Upload, client.TransferRequest{ID: created.ID, Remote: at})
		v, err := backups.Verify(t.Context(), created.ID)
		require.NoError(t, err)
		require.True(t, v.Intact)
		_, err = backups.Delete(t.Context(), created.ID)
		require.NoError(t, err)
		b.transfer(client.Download, client.TransferRequest{ID: created.ID, Remote: at})
		_, err = backups.Restore(t.Context(), client.RestoreRequest{ID: created.ID})
		require.NoError(t, err)
		if after != nil {
			after(b, created)
		}
	})
}

// transfer starts a transfer and waits until it is completed.
func (b *bubble) transfer(kind client.TransferKind, r client.TransferRequest) {
	b.t.Helper()
	id, err := b.clients[0].Backups().Transfer(b.t.Context(), kind, r)
	require.NoError(b.t, err)
	b.await(time.Minute, func() error {
		st, err := b.clients[0].Backups().TransferStatus(b.t.Context(), id)
		if err == nil && !st.Completed() {
			err = fmt.Errorf("%s: %+v", kind, st.DBServers)
		}
		return err
	})
}

// A sink may sleep at any event of any server, also at all of them: it is called under no mutex, so
// virtual time goes on, and every operation succeeds. Each event has its emitter, and each server emits
// the events of an operation in their order.
func TestSinkSleepsAtEveryStep(t *testing.T) {
	s := &sleeper{sleeps: func(event.Name) bool { return true }}
	everyOperation(t, s, func(b *bubble, created client.CreateResult) {
		t := b.t
		_, dbservers, coordinators := b.Cluster().Nodes()
		for _, e := range s.All() {
			require.NotEmpty(t, e.Emitter, "%+v", e)
		}
		for _, n := range dbservers {
			create := names(s.Steps(told.Of(event.Create, n.ID)))
			require.Contains(t, create, "gate asked for, gate granted, cut fixed, gate released")
			require.Equal(t, "piece transfer started, piece transferred", names(s.Steps(told.Of(event.Upload, n.ID))))
			require.Equal(t, "piece transfer started, piece transferred", names(s.Steps(told.Of(event.Download, n.ID))))
			require.Equal(t, "swapping engine, engine swapped", names(s.Steps(told.Of(event.Restore, n.ID))))
		}
		from := coordinators[0].ID
		require.Contains(t, names(s.Steps(told.Of(event.Create, from))), "all gates held, cutting, cut, cut, cut, gates opened, Plan thawed, linking, linked, linked, linked, verified, sealed, committing, committed, publishing, published, published, published")
		require.Equal(t, "deleting, deletion committed, piece removed, piece removed, piece removed, deleted", names(s.Steps(told.Of(event.Delete, from))))
		require.Equal(t, "verifying, piece verified, piece verified, piece verified, verification ended", names(s.Steps(told.Of(event.Verify, from))))
		for _, operation := range []string{event.Upload, event.Download} {
			require.Equal(t, "transfer recorded, transfer planned, transfer assigned, transfer assigned, transfer assigned, transfer completed", names(s.Steps(told.Of(operation, from))))
		}
		b.onlyProgress(from)
	})
	require.Equal(t, 1, strings.Count(names(s.Steps(told.Of(event.Agency))), string(event.AgentLeads)+", "+string(event.AgentLeadsNoMore)), "%v", s.Steps(told.Of(event.Agency)))
	taken, lost := 0, 0
	for _, e := range s.All() {
		switch e.Step {
		case event.LeadershipTaken:
			taken++
			require.NotZero(t, e.Term)
		case event.LeadershipLost:
			lost++
		}
	}
	require.Equal(t, taken, lost, "each leadership has ended with its server, or with the restore")
	require.Positive(t, taken)
}

func names(steps []event.Name) string {
	texts := make([]string, len(steps))
	for i, s := range steps {
		texts[i] = string(s)
	}
	return strings.Join(texts, ", ")
}

// onlyProgress sees that a coordinator shows the steps of its creates and restores, and nothing else.
func (b *bubble) onlyProgress(coordinator string) {
	b.t.Helper()
	shown := map[string]int{}
	require.NoError(b.t, b.clients[0].Steps(b.t.Context(), client.Follow{Last: 4096}, func(e event.Event) error {
		require.True(b.t, e.Progress(), "%+v", e)
		require.Equal(b.t, coordinator, e.Emitter)
		shown[e.Operation]++
		return nil
	}))
	require.Len(b.t, shown, 2, "%v", shown)
}

// The same for one step of an operation after the other: the rest of the operation is not slow then, so
// that what runs beside the step comes in its way. Operations that run one after the other share a cluster.
func TestSinkSleepsAtOneStep(t *testing.T) {
	for i, steps := range [][]event.Name{
		{event.GateAsked, event.Staged, event.PieceRemoved, event.PieceVerified, event.TransferAssigned},
		{event.CutFixed, event.EngineSwapped, event.PieceMoved, event.LeadershipTaken},
		{event.CutDone, event.EngineSwapping, event.PieceStarted, event.LeadershipLost},
		{event.Linked, event.AgentLeads, event.AgentLeadsNoMore},
		{event.GateGranted}, {event.GateReleased}, {event.Published},
	} {
		if i >= scale(3, 7) {
			break // there are others of their kind above
		}
		t.Run(names(steps), func(t *testing.T) {
			s := &sleeper{sleeps: func(n event.Name) bool { return slices.Contains(steps, n) }}
			everyOperation(t, s, nil)
			met := map[event.Name]int{}
			for _, e := range s.All() {
				met[e.Step]++
			}
			for _, step := range steps {
				require.Positive(t, met[step], "the sink never slept at %s", step)
			}
		})
	}
}
