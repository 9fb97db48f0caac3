package backup

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agency "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/apierror"
	"stasis/internal/step"
)

// pend puts a job in the way, or takes it out.
func (w *world) pend(j keys.Job) {
	w.t.Helper()
	w.agency.must(w.t, agency.Tx{Ops: map[string]any{keys.TargetPending + "/" + j.JobID: j}})
}

func (w *world) unpend(id string) {
	w.t.Helper()
	w.agency.must(w.t, agency.Tx{Ops: map[string]any{keys.TargetPending + "/" + id: agency.Delete()}})
}

// waiters is how many operations say that they wait, as the supervision sees it.
func (w *world) waiters() int {
	return w.agency.machine.State().AsOf(time.Now().UnixMilli()).Root().At(keys.HotBackupWaiting).Len()
}

var aMove = keys.Job{
	Type: keys.JobMoveShard, JobID: "1007", Database: "d", Shard: "s1", FromServer: "PRMR-1", ToServer: "PRMR-2",
}

// The lock is not taken while a job is pending: its move would stand still half
// done. The operation says which one it waits for, and that it waits.
func TestLockWaitsForPendingJobs(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.pend(keys.Job{Type: keys.JobCleanOutServer, JobID: "1006", Server: "PRMR-1"})
		w.pend(aMove)
		var told []string
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e step.Event) {
			if e.Step == step.AgencyWaiting {
				told = append(told, e.Detail)
			}
		}))
		result := make(chan error, 1)
		go func() {
			_, err := s.Create(context.Background(), CreateRequest{Label: "x"})
			result <- err
		}()
		time.Sleep(10 * time.Second)
		require.False(t, w.agency.root().At(keys.HotBackupCreate).Exists())
		require.Equal(t, 1, w.waiters())
		w.unpend("1007")
		time.Sleep(30 * time.Second)
		require.Equal(t, 1, w.waiters(), "it is renewed")
		w.unpend("1006")
		require.NoError(t, <-result)
		require.Equal(t, []string{
			"job moveShard 1007 of shard s1 (PRMR-1 → PRMR-2) and 1 more is pending", "job cleanOutServer 1006 of PRMR-1 is pending",
		}, told)
		require.Zero(t, w.waiters())
	})
}

// Who waits in vain is told which job was in the way, and no longer waits.
func TestLockTimeoutNamesTheJob(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.pend(aMove)
		begun := time.Now()
		_, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{Timeout: 20 * time.Second})
		require.ErrorIs(t, err, apierror.BackupCreate)
		require.ErrorContains(t, err, "job moveShard 1007 of shard s1 (PRMR-1 → PRMR-2) is pending")
		var e *apierror.Error
		require.True(t, errors.As(err, &e))
		require.Equal(t, aMove, e.Extra["job"])
		require.Less(t, time.Since(begun), 21*time.Second)
		require.Zero(t, w.waiters())
		require.False(t, w.agency.root().At(keys.HotBackupCreate).Exists())
	})
}

// Nobody waits for ever: what a coordinator announced that has died is forgotten,
// also for preconditions.
func TestAnnouncementExpires(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.pend(aMove)
		op := w.service(coordinatorA).begin(keys.OperationCreate, "b")
		op.announce(context.Background())
		require.Equal(t, 1, w.waiters())
		nobody := agency.Tx{
			Ops: map[string]any{keys.TargetToDo + "/1": "x"},
			Pre: map[string]any{keys.HotBackupWaiting: agency.Old(struct{}{})},
		}
		time.Sleep(announceFor - 10*time.Millisecond)
		require.Equal(t, 1, w.waiters())
		_, err := w.agency.apply(nobody)
		require.ErrorIs(t, err, agency.ErrPrecondition)
		time.Sleep(20 * time.Millisecond)
		require.Zero(t, w.waiters())
		_, err = w.agency.apply(nobody)
		require.NoError(t, err)
	})
}
