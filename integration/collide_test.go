package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/coordinator/backup"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/minicluster"
)

// Two creates at once on two coordinators, again and again: never two within the
// lock, and with time enough both succeed, one after the other.
func TestTwoBackupsAtOnce(t *testing.T) {
	t.Parallel()
	var within, overlaps, entered atomic.Int64
	o := options(t, minicluster.InProcess)
	o.Seams.Steps = func(_ context.Context, e event.Event) {
		switch e.Step {
		case event.AgencyLocked:
			entered.Add(1)
			if within.Add(1) != 1 {
				overlaps.Add(1)
			}
		case event.Committing: // the lock goes with the commit: from here on another may have it
			within.Add(-1)
		}
	}
	c := start(t, o)
	rounds := scale(10, 100)
	for round := range rounds {
		var wg sync.WaitGroup
		var results [2]backup.CreateResult
		var errs [2]error
		for i := range 2 {
			wg.Go(func() {
				request := map[string]any{"label": fmt.Sprintf("r%d-%d", round, i), "timeout": 60}
				errs[i] = c.clients[i].Backup(t.Context(), "create", request, &results[i])
			})
		}
		wg.Wait()
		require.NoError(t, errors.Join(errs[:]...))
		require.NotEqual(t, results[0].ID, results[1].ID)
	}
	require.Zero(t, overlaps.Load())
	require.EqualValues(t, 2*rounds, entered.Load())
	require.Len(t, listBackups(t, c.clients[1]), 2*rounds)
}

// A backup that cannot have the lock in time fails and names the holder; data
// definition waits for the cut, and not for the links; the backup that held on is not
// harmed.
func TestWhoComesSecondIsToldTheHolder(t *testing.T) {
	t.Parallel()
	held, cut, goOn := make(chan string, 1), make(chan struct{}), make(chan struct{})
	o := options(t, minicluster.InProcess)
	o.Seams.Steps = func(_ context.Context, e event.Event) {
		switch {
		case e.Server != "" || !strings.HasSuffix(e.ID, "_first"):
		case e.Step == event.Prepare:
			held <- e.ID
			<-cut
		case e.Step == event.Linking:
			<-goOn
		}
	}
	c := start(t, o)
	ctx := t.Context()
	var first backup.CreateResult
	done := make(chan error, 1)
	go func() { done <- c.clients[0].Backup(ctx, "create", map[string]any{"label": "first"}, &first) }()
	holder := <-held

	var second backup.CreateResult
	err := c.clients[1].Backup(ctx, "create", map[string]any{"label": "second", "timeout": 2.5}, &second)
	require.ErrorIs(t, err, apierror.BackupCreate)
	require.ErrorContains(t, err, holder)
	lock := status(t, c.clients[1]).Lock
	require.NotNil(t, lock)
	require.True(t, lock.PlanFrozen)
	require.Greater(t, lock.HeldSeconds, 1.0)

	created := make(chan error, 1)
	go func() { created <- c.db(1).CreateCollection(ctx, "waits", 3) }()
	select {
	case err := <-created:
		t.Fatalf("a collection was created while Plan was frozen: %v", err)
	case <-time.After(500 * time.Millisecond): // it would have been there long ago
	}
	close(cut)
	require.NoError(t, <-created, "the links are not waited for")
	lock = status(t, c.clients[1]).Lock
	require.NotNil(t, lock, "others are kept out until the commit")
	require.False(t, lock.PlanFrozen)
	require.Equal(t, string(event.Linking), lock.Phase)
	close(goOn)
	require.NoError(t, <-done)
	require.True(t, listBackups(t, c.clients[1])[first.ID].Available)
	require.Len(t, listBackups(t, c.clients[1]), 1)
}
