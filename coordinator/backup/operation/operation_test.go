package operation

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
	"stasis/internal/wait"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What was done is undone, last thing first, although the context has ended. What was
// forgotten is not, nor is anything once the list is cleared.
func TestRollBackUndoesLastThingFirst(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		var told []event.Name
		op := New("create", "id", func(_ context.Context, e event.Event) { told = append(told, e.Step) }, hclog.NewNullLogger())
		var undone []string
		push := func(what string) (forget func()) {
			return op.Undo.Push(what, func(ctx context.Context) error {
				undone = append(undone, what)
				return ctx.Err()
			})
		}
		push("lock")
		forget := push("gates")
		push("pieces")
		forget()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		op.RollBack(ctx, errors.New("why"), time.Minute)
		require.Equal(t, []string{"pieces", "lock"}, undone)
		require.Equal(t, []event.Name{event.Undoing, event.Undone}, told)
		require.EqualValues(t, event.Undone, op.Phase())
		push("more")
		op.Undo.Clear()
		op.RollBack(ctx, errors.New("why"), time.Minute)
		require.Len(t, undone, 2)
	})
}

// An entry that hangs does not use up the time of the first one, which is the lock.
func TestRollBackLeavesTimeForTheLock(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		op := New("create", "id", nil, hclog.NewNullLogger())
		start := time.Now()
		var released time.Duration
		op.Undo.Push("lock", func(context.Context) error { released = time.Since(start); return nil })
		for range 2 {
			op.Undo.Push("pieces", func(ctx context.Context) error { return wait.For(ctx, time.Hour) })
		}
		op.RollBack(t.Context(), errors.New("why"), 20*time.Second)
		require.Equal(t, 10*time.Second, released)
	})
}

// A command ends with its service, but what follows its commit does not end with the
// caller. After the end none begins.
func TestLifeEndsWhatRuns(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		l := NewLife()
		caller, cancel := context.WithCancel(t.Context())
		ctx, leave, err := l.Enter(caller)
		require.NoError(t, err)
		after, done := l.AfterCommit(ctx, time.Hour)
		defer done()
		cancel()
		require.Error(t, ctx.Err())
		require.NoError(t, after.Err())
		ended := make(chan struct{})
		go func() { l.End(); close(ended) }()
		<-after.Done()
		require.ErrorIs(t, context.Cause(after), apierror.ShuttingDown)
		select {
		case <-ended:
			require.Fail(t, "the end waits for the command")
		case <-time.After(time.Second):
		}
		leave()
		<-ended
		_, _, err = l.Enter(t.Context())
		require.ErrorIs(t, err, apierror.ShuttingDown)
	})
}

// The reason why a context has ended says more than that it has. Only an unknown outcome
// says more still.
func TestCauseSaysWhy(t *testing.T) {
	why := apierror.New(apierror.BackupCreate, "the lock is lost")
	ctx, cancel := context.WithCancelCause(t.Context())
	failed := errors.New("read: context canceled")
	require.Equal(t, failed, Cause(ctx, failed))
	require.NoError(t, Cause(ctx, nil))
	cancel(why)
	require.Equal(t, error(why), Cause(ctx, failed))
	require.Equal(t, error(why), Cause(ctx, nil))
	require.ErrorIs(t, Cause(ctx, ErrOutcomeUnknown), ErrOutcomeUnknown)
	gone, cancelled := context.WithCancel(t.Context())
	cancelled()
	require.ErrorIs(t, Cause(gone, failed), apierror.Cancelled)
}

func TestDeadlineSaysWhatWasDone(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		op := New("create", "id", nil, hclog.NewNullLogger())
		op.Emit(t.Context(), event.Event{Step: event.Linking})
		op.Emit(t.Context(), event.Event{Step: event.Linked, Server: "PRMR-1"})
		ctx, done := WithDeadline(t.Context(), 3*time.Second)
		defer done()
		err := op.Overdue(Cause(ctx, wait.For(ctx, time.Hour)))
		require.ErrorIs(t, err, apierror.ClusterTimeout)
		require.EqualError(t, err, "the deadline is over after 3s, while create of backup id was at: linking")
	})
}

// Events of one operation come one at a time and in order, and none is lost because its context has
// ended while another was being taken. The wait for a turn is no mutex: virtual time goes on.
func TestEventsWaitForTheirTurn(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		var told []event.Name
		within := 0
		sink := func(_ context.Context, e event.Event) {
			within++
			require.Equal(t, 1, within)
			time.Sleep(time.Second)
			told = append(told, e.Step)
			within--
		}
		for _, emit := range []func(context.Context, event.Event){
			New("create", "id", sink, hclog.NewNullLogger()).Emit, NewEvents("delete", "id", sink).Emit,
		} {
			told = nil
			ctx, cancel := context.WithCancel(t.Context())
			var group sync.WaitGroup
			for _, step := range []event.Name{"a", "b", "c"} {
				group.Go(func() { emit(ctx, event.Event{Step: step}) })
				time.Sleep(10 * time.Millisecond)
			}
			cancel()
			group.Wait()
			require.Equal(t, []event.Name{"a", "b", "c"}, told)
		}
	})
}
