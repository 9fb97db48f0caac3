package backup

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/client"
	"stasis/coordinator/backup/lock"
	"stasis/event"
	"stasis/fsm"
	"stasis/internal/apierror"
)

// TransientRead is that of an agency whose supervision has seen the lock 2 s after its renewal.
func (a *fakeAgency) TransientRead(ctx context.Context, paths ...string) (root *agencyclient.Node, err error) {
	err = a.faults.around("agency transient read", func(mode) error { return agencyFault(refused) }, func() error {
		seen := fsm.New(10)
		nonce := a.root().At(keys.HotBackupNonce).Text()
		raw, err := agencyclient.Tx{Ops: map[string]any{keys.SupervisionLock: keys.LockLease{Nonce: nonce, LeftSeconds: 13}}}.Encode("supervision")
		if err != nil {
			return err
		}
		tx, err := fsm.ParseTransaction(raw)
		if err == nil {
			seen.Apply(1, fsm.Command{Time: time.Now().UnixMilli(), Transactions: []fsm.Transaction{tx}})
			root = seen.State().Read(paths)
		}
		return err
	})
	return root, err
}

// The agency lock is shown with its holder, operation, age and what the supervision says of its
// lease. A lock that is free says so.
func TestAgencyLockIsShown(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		b := w.service(coordinatorB)
		free, err := b.agencyLock(context.Background())
		require.NoError(t, err)
		require.Nil(t, free.Lock)
		shown := 0
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
			if e.Step != event.Linking {
				return
			}
			shown++
			time.Sleep(3 * time.Second)
			l, err := b.agencyLock(context.Background())
			require.NoError(t, err)
			require.Equal(t, client.Lock{ID: e.ID, Operation: keys.OperationCreate, Coordinator: coordinatorA, Since: l.Lock.Since, Phase: "linking", HeldSeconds: l.Lock.HeldSeconds}, l.Lock.Lock)
			require.InDelta(t, 3.5, l.Lock.HeldSeconds, 1)
			require.Equal(t, 15.0, l.Lock.LeaseSeconds)
			require.Equal(t, 13.0, *l.Lock.LeaseLeftSeconds)
			require.Equal(t, w.agency.root().At(keys.HotBackupNonce).Text(), l.Lock.Nonce)

			w.faults.breakCalls(func(call string) bool { return call == "agency transient read" })
			l, err = b.agencyLock(context.Background())
			require.NoError(t, err)
			require.Nil(t, l.Lock.LeaseLeftSeconds, "unknown is not zero")
			w.faults.breakCalls(nil)
		}))
		_, err = s.Create(context.Background(), CreateRequest{})
		require.NoError(t, err)
		require.Equal(t, 1, shown)
	})
}

// An operator breaks the lock of a create at another coordinator. The create finds out, at its
// commit at the latest, and commits nothing. Nothing is left of it.
func TestBrokenLockEndsItsHolder(t *testing.T) {
	for _, at := range []event.Name{event.Locked, event.Linking, event.Committing} {
		t.Run(string(at), func(t *testing.T) {
			inWorld(t, threeServers, func(w *world) {
				var told []event.Event
				b := w.service(coordinatorB, withSteps(func(_ context.Context, e event.Event) { told = append(told, e) }))
				s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
					if e.Step != at {
						return
					}
					l, err := b.agencyLock(context.Background())
					require.NoError(t, err)
					require.NoError(t, b.breakLock(context.Background(), l.Lock.Value, l.Lock.Nonce))
				}))
				_, err := s.Create(context.Background(), CreateRequest{Label: "x"})
				require.ErrorIs(t, err, lock.ErrLost)
				require.ErrorContains(t, err, "lost")
				w.requireClean("broken")
				require.Len(t, told, 1)
				require.Equal(t, event.AgencyLockBroken, told[0].Step)
				require.Contains(t, told[0].Detail, "it was held by create of backup "+told[0].ID+" on "+coordinatorA)
				var kept []keys.Event
				require.NoError(t, w.agency.root().At(keys.SupervisionEvents).Decode(&kept))
				require.Len(t, kept, 1, "all coordinators list it")
				require.Equal(t, told[0].Detail, kept[0].Detail)
			})
		})
	}
}

// A restore that is committed keeps the lock until its servers serve. Its lock says so, and to break
// it takes nothing back.
func TestLockOfACommittedRestore(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		id, b, seen := w.create("x").ID, w.service(coordinatorB), map[event.Name]bool{}
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
			if e.Step != event.PlanSwitching && e.Step != event.Converging {
				return
			}
			l, err := b.agencyLock(context.Background())
			require.NoError(t, err)
			seen[e.Step] = l.Lock.Committed
			if l.Lock.Committed {
				require.NoError(t, b.breakLock(context.Background(), l.Lock.Value, l.Lock.Nonce))
			}
		}))
		_, err := s.Restore(context.Background(), RestoreRequest{ID: id})
		require.NoError(t, err)
		require.Equal(t, map[event.Name]bool{event.PlanSwitching: false, event.Converging: true}, seen)
	})
}

// Only the lock that was shown is broken, and not the one that followed it.
func TestOnlyTheLockThatWasShownIsBroken(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		b := w.service(coordinatorB)
		require.ErrorContains(t, b.breakLock(context.Background(), "then", "n1"), "it is free")
		take := func(nonce string) {
			w.agency.must(t, agencyclient.Tx{Ops: map[string]any{
				keys.HotBackupCreate: "then", keys.HotBackupHolder: keys.Holder{ID: "b", Operation: keys.OperationRestore, Coordinator: coordinatorA, Nonce: nonce},
			}})
		}
		take("n2")
		err := b.breakLock(context.Background(), "then", "n1")
		require.ErrorIs(t, err, apierror.BackupConflict)
		require.ErrorContains(t, err, "restore of backup b on "+coordinatorA)
		// It changes between the look and the transaction.
		late := &otherHolder{fakeAgency: w.agency, change: func() { take("n3") }}
		err = w.service(coordinatorB, func(d *Options) { d.Agency = late }).breakLock(context.Background(), "then", "n2")
		require.ErrorIs(t, err, apierror.BackupConflict, "another's lock was broken")
		require.Equal(t, "n3", w.agency.root().At(keys.HotBackupNonce).Text(), "another's lock was broken")
		require.False(t, w.agency.root().At(keys.SupervisionEvents).Exists())

		// A lock that another tool wrote has no holder.
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.HotBackupHolder: agencyclient.Delete()}})
		l, err := b.agencyLock(context.Background())
		require.NoError(t, err)
		require.Empty(t, l.Lock.Nonce)
		late = &otherHolder{fakeAgency: w.agency, change: func() {
			w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.HotBackupCreate: "later"}})
		}}
		err = w.service(coordinatorB, func(d *Options) { d.Agency = late }).breakLock(context.Background(), l.Lock.Value, "")
		require.ErrorIs(t, err, apierror.BackupConflict, "the lock of another tool was broken, which followed")
		require.NoError(t, b.breakLock(context.Background(), "later", ""))
		require.False(t, w.agency.root().At(keys.HotBackupCreate).Exists())
	})
}

// otherHolder is an agency in which the lock changes before a write.
type otherHolder struct {
	*fakeAgency
	change func()
}

func (a *otherHolder) Write(ctx context.Context, tx agencyclient.Tx) (uint64, error) {
	a.change()
	return a.fakeAgency.Write(ctx, tx)
}

// When the agency's answer to the break is lost, the error says that the outcome is unknown.
func TestBreakWhoseAnswerIsLost(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.HotBackupCreate: "then"}})
		w.faults.next, w.faults.mode = "agency write", lost
		err := w.service(coordinatorB).breakLock(context.Background(), "then", "")
		var e *apierror.Error
		require.True(t, errors.As(err, &e))
		raw, merr := json.Marshal(e)
		require.NoError(t, merr)
		require.Contains(t, string(raw), `"outcome":"unknown"`)
	})
}
