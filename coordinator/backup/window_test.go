package backup

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// However long a client is willing to wait, no attempt asks for more than a DB
// server gives: the backup waits for a slow write through several attempts.
func TestLongWindows(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		leave, err := w.servers["PRMR-2"].gate.Enter(context.Background())
		require.NoError(w.t, err)
		time.AfterFunc(25*time.Minute, leave)
		r, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{
			Label: "x", Timeout: 3 * time.Hour, LockWait: time.Hour, LockGrowth: 2,
		})
		require.NoError(w.t, err)
		require.Greater(w.t, len(r.LockReport.Attempts), 1)
		w.requireBackup("long windows", r.ID)
	})
}
