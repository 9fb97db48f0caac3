package replica

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
)

// The end of a tenure waits for the replica, which may wait for the disk. Those that ask for the state
// meanwhile wait for it, and virtual time goes on.
func TestTimeGoesOnWhileATenureEnds(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newState(Place{}, func() { time.Sleep(time.Minute) })
		go s.end(errStopped)
		time.Sleep(time.Second)
		begun := time.Now()
		require.Equal(t, over, s.current())
		require.Equal(t, 59*time.Second, time.Since(begun), "it is over before the replica leads no more")
	})
}
