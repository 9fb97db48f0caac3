package bubbles

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Goroutines that set timers that are due at once do not end the process. Without the
// one processor this did, nearly always, with Go 1.26 under the race detector.
func TestTimersDueAtOnce(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	Test(t, func(*testing.T) {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 20000 {
					<-time.After(0)
				}
			})
		}
		all.Wait()
	})
	require.Equal(t, before, runtime.GOMAXPROCS(0))
}
