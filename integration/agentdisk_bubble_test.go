package integration

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/coordinator/backup"
	"stasis/event"
	"stasis/minicluster"
)

// hangs makes the disk of the agent that leads hang at the first event of a step.
type hangs struct {
	at     event.Name
	mu     sync.Mutex
	armed  *bubble
	thaw   func()
	leader string // whose disk it was
}

func (h *hangs) sink(_ context.Context, e event.Event) {
	h.mu.Lock()
	b := h.armed
	if e.Step != h.at || b == nil {
		h.mu.Unlock()
		return
	}
	h.armed = nil
	h.mu.Unlock()
	leader := b.agencyLeader()
	thaw, err := b.HangDisk(leader)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		b.t.Errorf("hang the disk of %s: %v", leader, err)
		return
	}
	h.thaw, h.leader = thaw, leader
}

func (h *hangs) arm(b *bubble) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.armed = b
}

// release takes it back; it proves that it was done.
func (h *hangs) release(t *testing.T) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	require.NotNil(t, h.thaw, "the step %q did not come", h.at)
	h.thaw()
}

// agencyLeader is the name of the agent that leads, by what the agents themselves say.
func (b *bubble) agencyLeader() string {
	agents, _, _ := b.Nodes()
	for _, a := range agents {
		config, err := b.agency.ConfigOf(context.Background(), a.URL)
		if err == nil && config.LeaderID == a.ID {
			return a.Name
		}
	}
	return ""
}

// TestAgencyLeadersDiskHangsDuringBackup: whatever step of a create or a restore the disk
// of the leading agent begins to hang at, another agent leads, the operation ends, and the cluster
// goes on while the disk still hangs: no lock and no freeze stays.
func TestAgencyLeadersDiskHangsDuringBackup(t *testing.T) {
	for _, name := range []event.Name{
		event.AgencyLock, event.AgencyLocked, event.Prepare, event.LockAttempt, event.Locked, event.CutDone, event.GatesOpened, event.Linked, event.Sealed,
		event.Committing, event.Committed, event.Matched, event.Staged, event.PlanSwitching, event.PlanSwitched, event.EngineSwapped, event.Converging,
	} {
		t.Run(string(name), func(t *testing.T) { testAgencyLeadersDiskHangs(t, name) })
	}
}

func testAgencyLeadersDiskHangs(t *testing.T, name event.Name) {
	h := &hangs{at: name}
	inBubbleOf(t, minicluster.Options{Agents: 3, DBServers: 2, Coordinators: 2, Seams: minicluster.Seams{Steps: h.sink}}, 1, nil, func(b *bubble) {
		t, ctx, cl := b.t, b.t.Context(), b.clients[0]
		b.create("people", 2, 1)
		db := cl.Database("_system")
		for i := range 50 {
			require.NoError(t, db.Put(ctx, "people", map[string]any{"_key": fmt.Sprint("b", i)}))
		}
		c := &cluster{Cluster: b.Cluster, clients: b.clients}
		was := sumOf(t, c)
		h.arm(b)
		defer func() { // also when the test fails: what hangs cannot be stopped
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.thaw != nil {
				h.thaw()
			}
		}()
		begun := time.Now()
		var made backup.CreateResult
		createErr := cl.Backup(ctx, "create", map[string]any{"label": "x"}, &made)
		if createErr != nil {
			b.await(time.Minute, func() error { return cl.Backup(ctx, "create", map[string]any{"label": "again"}, &made) })
		}
		b.await(time.Minute, func() error { return db.Put(ctx, "people", map[string]any{"_key": "later"}) })
		restoreErr := cl.Backup(ctx, "restore", map[string]any{"id": made.ID}, &backup.RestoreResult{})
		if restoreErr != nil {
			b.await(2*time.Minute, func() error { return cl.Backup(ctx, "restore", map[string]any{"id": made.ID}, &backup.RestoreResult{}) })
		}
		t.Logf("create: %v; restore: %v; after %v", createErr, restoreErr, time.Since(begun))
		require.Less(t, time.Since(begun), 2*time.Minute)

		next := b.agencyLeader()
		require.NotEqual(t, h.leader, next, "its disk hangs")
		require.NotEmpty(t, next)
		b.await(10*time.Second, func() error {
			if lock := status(t, cl).Lock; lock != nil {
				return fmt.Errorf("the agency lock is held: %+v", *lock)
			}
			return nil
		})
		require.NoError(t, createReplicated(ctx, cl, "after", 2, 2, 1), "Plan is not frozen")
		require.Equal(t, was, sumOf(t, c))
		h.release(t)
		b.await(2*time.Minute, func() error { return b.healed(ctx) })
		require.Equal(t, was, sumOf(t, c))
	})
}
