package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/client/certificate"
	"stasis/coordinator/backup/lock"
	"stasis/coordinator/backup/topology"
	"stasis/event"
	"stasis/internal/apierror"
)

// Of two backups at once one waits for the other, and both are made.
func TestTwoBackupsAtOnceRunOneAfterTheOther(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		var both sync.WaitGroup
		results, errs := make([]CreateResult, 2), make([]error, 2)
		for i, coordinator := range []string{coordinatorA, coordinatorB} {
			both.Go(func() {
				results[i], errs[i] = w.service(coordinator).Create(context.Background(), CreateRequest{Label: "same"})
			})
		}
		both.Wait()
		require.NoError(t, errors.Join(errs...))
		require.NotEqual(t, results[0].ID, results[1].ID)
		root := w.agency.root()
		require.Equal(t, 2, root.At(keys.HotBackupCommits).Len())
		require.False(t, root.At(keys.HotBackupCreate).Exists())
	})
}

// Who waits in vain is told whose lock it is.
func TestLockCollisionNamesTheHolder(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{
			keys.HotBackupCreate: "2000-01-01T00:10:00Z",
			keys.HotBackupHolder: keys.Holder{ID: "2000-01-01T00.00.00Z_other", Operation: keys.OperationRestore, Coordinator: coordinatorB, Nonce: "theirs"},
		}})
		begun := time.Now()
		_, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{Timeout: 4 * time.Second})
		require.ErrorIs(t, err, apierror.BackupCreate)
		for _, part := range []string{"restore", "2000-01-01T00.00.00Z_other", coordinatorB} {
			require.ErrorContains(t, err, part)
		}
		require.InDelta(t, 4, time.Since(begun).Seconds(), 0.1)
		require.Equal(t, "theirs", w.agency.root().At(keys.HotBackupNonce).Text(), "another's lock was touched")
	})
}

// A backup freezes Plan from the index of the lock until its gates are asked to open,
// and keeps the lock until it is committed: what waits for Plan does not wait for links.
// The backup has the Plan of its instant.
func TestPlanIsFrozenUntilTheCut(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		tried, changed := 0, 0
		change := agencyclient.Tx{Ops: map[string]any{keys.PlanVersion: agencyclient.Increment(1)}}
		version := topology.Number(w.agency.root().At(keys.PlanVersion))
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
			switch e.Step {
			case event.AgencyLocked, event.Prepare, event.LockAttempt, event.Locked, event.Cut, event.GatesOpened:
				_, err := w.agency.apply(change)
				require.ErrorIs(t, err, agencyclient.ErrPrecondition, e.Step)
				tried++
			case event.Linking, event.Verified, event.Committing:
				w.agency.must(t, change)
				changed++
				require.True(t, w.agency.root().At(keys.HotBackupCreate).Exists(), "others are kept out")
				require.NotEmpty(t, w.agency.root().At(keys.HotBackupPhase).Text())
			}
		}))
		r, err := s.Create(context.Background(), CreateRequest{})
		require.NoError(t, err)
		require.Equal(t, 6, tried)
		require.Equal(t, 3, changed)
		w.requireBackup("thawed", r.ID)
		require.Contains(t, string(listOn(t, w.servers["PRMR-1"], r.ID).AgencyDump.Dump), fmt.Sprintf(`"Version":%d`, version))
		cert, err := certificate.Parse(listOn(t, w.servers["PRMR-1"], r.ID).Certificate)
		require.NoError(t, err)
		require.GreaterOrEqual(t, cert.Agency.ThawAsked, cert.Instant.To)
		require.Empty(t, cert.Problems())
		cert.Agency.ThawAsked = cert.Instant.To - 0.001
		require.Contains(t, cert.Problems(), "Plan was thawed before the instant ended")
	})
}

// A restore thaws nothing: the Plan that it was matched with is the one that it replaces.
func TestPlanIsFrozenThroughARestore(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		id, tried := w.create("x").ID, 0
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
			switch e.Step {
			case event.AgencyLocked, event.Staging, event.Staged, event.PlanSwitching, event.Converging:
				_, err := w.agency.apply(agencyclient.Tx{Ops: map[string]any{keys.PlanVersion: agencyclient.Increment(1)}})
				require.ErrorIs(t, err, agencyclient.ErrPrecondition, e.Step)
				tried++
			}
		}))
		_, err := s.Restore(context.Background(), RestoreRequest{ID: id})
		require.NoError(t, err)
		require.Equal(t, 7, tried)
	})
}

// When the lock is removed, the work ends by itself.
func TestLostLeaseCancelsTheWork(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
			if e.Step == event.Linking {
				w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.HotBackupCreate: agencyclient.Delete(), keys.HotBackupHolder: agencyclient.Delete()}})
			}
		}))
		begun := time.Now()
		_, err := s.Create(context.Background(), CreateRequest{})
		require.ErrorIs(t, err, lock.ErrLost)
		require.Less(t, time.Since(begun), linkTime, "linking was not cut off")
		w.requireClean("lost lease")
	})
}

// The same when the lock is there but cannot be renewed. A lock that another operation has
// meanwhile is left alone.
func TestLeaseThatCannotBeRenewedCancelsTheWork(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
			if e.Step == event.Locked {
				w.faults.breakCalls(func(call string) bool { return strings.HasPrefix(call, "agency") })
				w.servers["PRMR-1"].quirk(func(q *quirks) { q.cutTime = []time.Duration{900 * time.Millisecond} })
			}
			if e.Step == event.Linking { // linking and sealing could go on for minutes
				w.servers["PRMR-1"].quirk(func(q *quirks) { q.linkFails = errors.New("must not be reached") })
			}
		}), func(d *Options) { d.Timeouts.Lease = 3 * time.Second })
		begun := time.Now()
		_, err := s.Create(context.Background(), CreateRequest{})
		require.ErrorIs(t, err, lock.ErrLost)
		require.InDelta(t, 3, time.Since(begun).Seconds(), 1.1)
		for id, s := range w.servers {
			require.Empty(t, s.pieceIDs(), id)
		}
		require.True(t, w.agency.root().At(keys.HotBackupCreate).Exists(), "the supervision's to take away")
	})
}

func TestRenewalsKeepTheLock(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		var beats []uint64
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
			beats = append(beats, topology.Number(w.agency.root().At(keys.HotBackupBeat)))
		}), func(d *Options) { d.Timeouts.Lease = 3 * time.Second })
		_, err := s.Create(context.Background(), CreateRequest{})
		require.NoError(t, err)
		require.Contains(t, beats, uint64(7), "one beat a second while linking took six, after the first")
	})
}
