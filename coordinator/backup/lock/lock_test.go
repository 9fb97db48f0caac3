package lock

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stasis/agency/agencytest"
	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/operation"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// readable is the agency of agencytest with linearizable reads.
type readable struct{ *agencytest.Agency }

func (a readable) Read(context.Context, ...string) (*agencyclient.Node, error) {
	return a.Snapshot().Root, nil
}

func locker(a readable, coordinator string) *Locker {
	return &Locker{Agency: a, Cache: a, Coordinator: coordinator, RebootID: func() uint64 { return 1 }, Lease: 15 * time.Second, Call: time.Second}
}

func acquire(t *testing.T, k *Locker, wait time.Duration) (context.Context, *Lock, *operation.Operation, error) {
	t.Helper()
	op := operation.New(keys.OperationCreate, "", nil, hclog.NewNullLogger())
	ctx, l, err := k.Acquire(t.Context(), op, time.Now().Add(wait), func() string { return "b" })
	return ctx, l, op, err
}

// The lock is held, and renewed, until its operation releases it. Another operation waits
// for it in vain and is told the holder.
func TestLockKeepsOthersOut(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		a := readable{agencytest.New()}
		ctx, l, _, err := acquire(t, locker(a, "CRDN-a"), time.Minute)
		require.NoError(t, err)
		defer l.Stop()
		_, _, _, err = acquire(t, locker(a, "CRDN-b"), time.Minute)
		require.ErrorIs(t, err, apierror.BackupCreate)
		require.ErrorContains(t, err, "create of backup b on CRDN-a since")
		require.NoError(t, ctx.Err(), "the lock is renewed")
		require.NoError(t, l.Release(t.Context()))
		_, other, _, err := acquire(t, locker(a, "CRDN-b"), time.Minute)
		require.NoError(t, err)
		defer other.Stop()
		require.NoError(t, l.Release(t.Context()), "a lock that is not there needs no release")
		require.Equal(t, other.Nonce(), a.At(keys.HotBackupNonce).Text(), "another's lock was released")
	})
}

// When the lock is lost, work under it ends, and no transaction of its holder is applied.
func TestLostLockEndsWork(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		a := readable{agencytest.New()}
		ctx, l, op, err := acquire(t, locker(a, "CRDN-a"), time.Minute)
		require.NoError(t, err)
		defer l.Stop()
		_, err = a.Apply(agencyclient.Tx{Ops: map[string]any{keys.HotBackupCreate: agencyclient.Delete(), keys.HotBackupHolder: agencyclient.Delete()}})
		require.NoError(t, err)
		require.ErrorIs(t, l.Thaw(t.Context(), event.Linking), ErrLost)
		tx := agencyclient.Tx{Ops: map[string]any{"/arango/x": agencyclient.Set(1)}, Pre: l.Precondition()}
		require.ErrorIs(t, l.Commit(t.Context(), tx, func(root *agencyclient.Node) bool { return root.At("/arango/x").Exists() }), ErrLost)
		require.False(t, a.At("/arango/x").Exists(), "it is committed without its lock")
		start := time.Now()
		<-ctx.Done()
		require.ErrorIs(t, context.Cause(ctx), ErrLost)
		require.LessOrEqual(t, time.Since(start), 5*time.Second, "the next renewal notices")
		undone := false
		op.Undo.Push("more", func(context.Context) error { undone = true; return nil })
		op.RollBack(t.Context(), ErrLost, time.Minute)
		require.True(t, undone, "a commit that did not happen clears no undo list")
	})
}

// A commit clears the undo list when it has happened, also if its answer is lost.
func TestCommitClearsTheUndoList(t *testing.T) {
	for _, lost := range []bool{false, true} {
		bubbles.Test(t, func(t *testing.T) {
			a := readable{agencytest.New()}
			_, l, op, err := acquire(t, locker(a, "CRDN-a"), time.Minute)
			require.NoError(t, err)
			defer l.Stop()
			op.Undo.Push("what was done", func(context.Context) error { return errors.New("must stay") })
			if lost {
				a.OnWrite(func(_ context.Context, tx agencyclient.Tx) (uint64, error) {
					_, _ = a.Apply(tx)
					return 0, agencyclient.ErrUnknown
				})
			}
			key := keys.HotBackupCommit("b")
			tx := agencyclient.Tx{Ops: map[string]any{key: agencyclient.Set(keys.Commit{ID: "b", Nonce: l.Nonce()})}, Pre: l.Precondition()}
			require.NoError(t, l.Commit(t.Context(), tx, func(root *agencyclient.Node) bool { return root.At(key).Exists() }))
			require.Equal(t, operation.Undo{}, op.Undo)
		})
	}
}

// What is in the way of the lock is named for people: a job about a shard before its
// parent, and how many more there are.
func TestBlockerIsNamed(t *testing.T) {
	for want, tree := range map[string]map[string]any{
		"it is held by restore of backup b on CRDN-a since now": {
			keys.HotBackupCreate: "until then", keys.HotBackupHolder: keys.Holder{ID: "b", Operation: keys.OperationRestore, Coordinator: "CRDN-a", Since: "now"},
		},
		"it is held by an unknown holder, until then": {keys.HotBackupCreate: "then"},
		"job moveShard 12 of shard s1 (PRMR-1 → PRMR-2) and 1 more is pending": {
			keys.TargetPending + "/9":  keys.Job{Type: keys.JobCleanOutServer, Server: "PRMR-1"},
			keys.TargetPending + "/12": keys.Job{Type: keys.JobMoveShard, Shard: "s1", FromServer: "PRMR-1", ToServer: "PRMR-2"},
		},
		"nothing is in the way any more": {},
	} {
		a := agencytest.New()
		_, err := a.Apply(agencyclient.Tx{Ops: map[string]any{"/arango/x": 1}})
		require.NoError(t, err)
		for key, value := range tree {
			_, err := a.Apply(agencyclient.Tx{Ops: map[string]any{key: value}})
			require.NoError(t, err)
		}
		require.Equal(t, want, blockerOf(a.Snapshot(), time.Time{}).label)
		require.Equal(t, strings.HasPrefix(want, "nothing"), free(a.Snapshot()))
	}
}
