//go:build failpoints

package backup

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/lock"
	"stasis/coordinator/backup/topology"
	"stasis/internal/failpoint"
)

// thaws takes the lock away in a way, so that Plan can be changed.
var thaws = map[string]func(w *world){
	"expired": func(w *world) {
		w.agency.must(w.t, agencyclient.Tx{Ops: map[string]any{keys.HotBackupCreate: agencyclient.Delete(), keys.HotBackupHolder: agencyclient.Delete()}})
	},
	"removed by hand": func(w *world) {
		w.agency.must(w.t, agencyclient.Tx{Ops: map[string]any{keys.HotBackupCreate: agencyclient.Delete()}})
	},
}

// relocks put something in the place of the lock that was.
var relocks = map[string]func(w *world, value string){
	"": func(*world, string) {},
	", locked by hand": func(w *world, _ string) {
		w.agency.must(w.t, agencyclient.Tx{Ops: map[string]any{keys.HotBackupCreate: "2000-01-01T09:00:00Z"}})
	},
	", another's": func(w *world, value string) { // written in the same second, with the same timeout
		w.agency.must(w.t, agencyclient.Tx{Ops: map[string]any{
			keys.HotBackupCreate: value,
			keys.HotBackupHolder: keys.Holder{ID: "theirs", Operation: keys.OperationCreate, Coordinator: coordinatorB, Nonce: "theirs"},
		}})
	},
}

// The lock is lost in the last moment: between the last look at it and the commit
// nothing knows but the commit itself. What was made under the lock is not committed.
func TestLockLostAtTheCommit(t *testing.T) {
	for operation, run := range map[string]func(*Service, string) error{
		"create": func(s *Service, _ string) error {
			_, err := s.Create(context.Background(), CreateRequest{Label: "x"})
			return err
		},
		"restore": func(s *Service, id string) error {
			_, err := s.Restore(context.Background(), RestoreRequest{ID: id})
			return err
		},
	} {
		for how, thaw := range thaws {
			for then, relock := range relocks {
				t.Run(operation+", "+how+then, func(t *testing.T) {
					inWorld(t, threeServers, func(w *world) {
						id := w.create("before").ID
						reached := 0
						defer failpoint.Set("coordinator/backup/lock/commit", coordinatorA, func(context.Context, string) error {
							reached++
							value := w.agency.root().At(keys.HotBackupCreate).Text()
							thaw(w)
							w.agency.must(w.t, agencyclient.Tx{Ops: map[string]any{keys.PlanDatabase("new"): keys.Database{ID: "77", Name: "new"}}})
							relock(w, value)
							return nil
						})()
						err := run(w.service(coordinatorA), id)
						require.Equal(w.t, 1, reached, "the lock is not lost at the commit")
						require.ErrorIs(w.t, err, lock.ErrLost, "it is committed without its lock")
						root := w.agency.root()
						require.Equal(w.t, 1, root.At(keys.HotBackupCommits).Len(), "a backup is committed without its lock")
						require.Zero(w.t, topology.Number(root.At(keys.RestoreEpoch)), "a restore is committed without its lock")
						require.True(w.t, root.At(keys.PlanDatabase("new")).Exists(), "what changed after the lock was lost is gone")
						w.requireOpen(operation)
					})
				})
			}
		}
	}
}
