package backup

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/lock"
	"stasis/coordinator/backup/operation"
	"stasis/event"
	"stasis/internal/apierror"
)

// pend puts a job in the way, or takes it out.
func (w *world) pend(j keys.Job) {
	w.t.Helper()
	w.agency.must(w.t, agencyclient.Tx{Ops: map[string]any{keys.TargetPending + "/" + j.JobID: j}})
}

func (w *world) unpend(id string) {
	w.t.Helper()
	w.agency.must(w.t, agencyclient.Tx{Ops: map[string]any{keys.TargetPending + "/" + id: agencyclient.Delete()}})
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
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
			if e.Step == event.AgencyWaiting {
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

// An operation that waits in vain is told which job was in the way, and its announcement
// is withdrawn.
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

// dyingAgency is the agency of a coordinator that dies: then nothing is written any more.
type dyingAgency struct {
	*fakeAgency
	dead atomic.Bool
}

func (a *dyingAgency) Write(ctx context.Context, tx agencyclient.Tx) (uint64, error) {
	if a.dead.Load() {
		return 0, agencyclient.ErrUnavailable
	}
	return a.fakeAgency.Write(ctx, tx)
}

// The announcement of a coordinator that has died expires, also for preconditions.
func TestAnnouncementExpires(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.pend(aMove)
		ctx, die := context.WithCancel(context.Background())
		dying := &dyingAgency{fakeAgency: w.agency}
		locks := &lock.Locker{Agency: dying, Cache: dying, Coordinator: coordinatorA, RebootID: func() uint64 { return 1 }, Lease: time.Minute, Call: time.Second}
		waiting := make(chan error, 1)
		go func() {
			_, _, err := locks.Acquire(ctx, operation.New(keys.OperationCreate, "b", nil, hclog.NewNullLogger()), time.Now().Add(time.Hour), func() string { return "b" })
			waiting <- err
		}()
		for w.waiters() == 0 {
			time.Sleep(time.Millisecond)
		}
		dying.dead.Store(true)
		die()
		require.Error(t, <-waiting)
		require.Equal(t, 1, w.waiters())
		unlessAnnounced := agencyclient.Tx{
			Ops: map[string]any{keys.TargetToDo + "/1": "x"},
			Pre: map[string]any{keys.HotBackupWaiting: agencyclient.Old(struct{}{})},
		}
		time.Sleep(lock.AnnouncedFor - 10*time.Millisecond)
		require.Equal(t, 1, w.waiters())
		_, err := w.agency.apply(unlessAnnounced)
		require.ErrorIs(t, err, agencyclient.ErrPrecondition)
		time.Sleep(20 * time.Millisecond)
		require.Zero(t, w.waiters())
		_, err = w.agency.apply(unlessAnnounced)
		require.NoError(t, err)
	})
}
