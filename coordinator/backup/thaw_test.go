package backup

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/lock"
	"stasis/coordinator/backup/topology"
	"stasis/event"
)

// Tools of ArangoDB remove the lock by its key alone. Then Plan thaws, although the
// holder's record is still there, and what was begun under the lock must not be committed
// any more.
func TestLockRemovedByHand(t *testing.T) {
	removed := agencyclient.Tx{
		Ops: map[string]any{
			keys.HotBackupCreate: agencyclient.Delete(),
		},
	}
	changed := agencyclient.Tx{Ops: map[string]any{keys.PlanDatabase("new"): keys.Database{ID: "77", Name: "new"}}}
	for name, run := range map[string]func(*Service, context.Context, string) error{
		"create": func(s *Service, ctx context.Context, _ string) error {
			_, err := s.Create(ctx, CreateRequest{Label: "x"})
			return err
		},
		"restore": func(s *Service, ctx context.Context, id string) error {
			_, err := s.Restore(ctx, RestoreRequest{ID: id})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, threeServers, func(w *world) {
				id := w.create("before").ID
				var once sync.Once
				s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
					if e.Step == event.Prepare || e.Step == event.Staging {
						once.Do(func() {
							w.agency.must(w.t, removed)
							w.agency.must(w.t, changed)
						})
					}
				}))
				require.Error(w.t, run(s, context.Background(), id))
				root := w.agency.root()
				require.True(w.t, root.At(keys.PlanDatabase("new")).Exists())
				require.Equal(w.t, 1, root.At(keys.HotBackupCommits).Len())
				require.Zero(w.t, topology.Number(root.At(keys.RestoreEpoch)))
				w.requireOpen(name)
			})
		})
	}
}

// A server may be removed once Plan has thawed. A backup with a piece on a server that is no
// member would be none that a restore accepts, also where the server still answers.
func TestServerRemovedWhileTheBackupLinks(t *testing.T) {
	for _, at := range []event.Name{event.Thawed, event.Linking, event.Sealed} {
		t.Run(string(at), func(t *testing.T) {
			inWorld(t, threeServers, func(w *world) {
				removed := 0
				s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
					if e.Step == at {
						removed++
						w.removeServer("PRMR-2")
					}
				}))
				_, err := s.Create(context.Background(), CreateRequest{})
				require.Equal(t, 1, removed)
				require.ErrorContains(t, err, "PRMR-2 was removed from the cluster while the backup was made")
				w.requireClean(string(at))
			})
		})
	}
}

// A backup that has lost its lock thaws nothing: the one that holds it now may have a lock of
// the same value, and needs Plan as it is.
func TestThawOfALostLock(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		other := keys.Holder{ID: "other", Operation: keys.OperationRestore, Coordinator: coordinatorB, Nonce: "other", LeaseSeconds: 15}
		taken := false
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
			if e.Step == event.GatesOpened && !taken {
				taken = true
				w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.HotBackupHolder: agencyclient.Set(other)}})
			}
		}))
		_, err := s.Create(context.Background(), CreateRequest{})
		require.ErrorIs(t, err, lock.ErrLost)
		require.True(t, taken)
		root := w.agency.root()
		require.True(t, agencyclient.Frozen(root), "Plan of another's lock is thawed")
		require.Equal(t, "other", root.At(keys.HotBackupNonce).Text())
		require.Empty(t, root.At(keys.HotBackupPhase).Text())
	})
}
