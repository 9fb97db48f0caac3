package bubbles

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The watchdog points at the goroutine that stops virtual time, and at no other.
func TestWatchdogFindsTheMutex(t *testing.T) {
	var mu sync.Mutex
	mu.Lock()
	blocked := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Test(t, func(*testing.T) {
			go func() { time.Sleep(time.Hour) }()
			close(blocked)
			waitFor(&mu)
			time.Sleep(2 * time.Hour)
		})
	}()
	<-blocked
	require.Eventually(t, func() bool {
		found := wakeful(allStacks())
		return len(found) == 1 && strings.Contains(found[0], "bubbles.waitFor")
	}, time.Minute, time.Millisecond)
	mu.Unlock()
	<-ended
}

// waitFor is a name that is found in a stack.
//
//go:noinline
func waitFor(mu *sync.Mutex) {
	mu.Lock()
	defer mu.Unlock()
}
