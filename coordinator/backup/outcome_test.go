package backup

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/event"
)

// slowCommit is an agency that a commit takes long to reach.
type slowCommit struct {
	*fakeAgency
	mu   sync.Mutex
	late *agencyclient.Tx
}

func (a *slowCommit) Write(ctx context.Context, tx agencyclient.Tx) (uint64, error) {
	for key := range tx.Ops {
		if key == keys.HotBackupCreate && len(tx.Ops) > 2 && tx.Pre[keys.HotBackupNonce] != nil {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.late = &tx
			return 0, fmt.Errorf("lost on the way: %w", agencyclient.ErrUnknown)
		}
	}
	return a.fakeAgency.Write(ctx, tx)
}

// When what was made is undone, a commit that is still on its way cannot be applied any
// more: the lock that it requires is released first.
func TestCommitThatIsStillOnItsWay(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		slow := &slowCommit{fakeAgency: w.agency}
		arrived := 0
		s := w.service(coordinatorA, func(d *Options) { d.Agency = slow }, withSteps(func(_ context.Context, e event.Event) {
			if e.Step != event.Undoing {
				return
			}
			slow.mu.Lock()
			defer slow.mu.Unlock()
			require.NotNil(w.t, slow.late)
			_, err := w.agency.apply(*slow.late)
			require.ErrorIs(w.t, err, agencyclient.ErrPrecondition, "a backup is committed while it is taken back")
			arrived++
		}))
		_, err := s.Create(context.Background(), CreateRequest{})
		require.Error(w.t, err)
		require.Equal(w.t, 1, arrived, "the commit does not arrive while things are taken back")
		w.requireClean("late commit")
	})
}
