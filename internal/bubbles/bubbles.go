// Package bubbles is for tests and for runs of the lab: it starts the bubbles of
// testing/synctest, as this toolchain's race detector can bear them.
//
// A timer of a bubble that is due at once runs in the goroutine that sets it, and tells
// the race detector so in the name of the one context that all timers of the bubble
// have (runtime/time.go, unlockAndRun). Two goroutines that do so on two processors at
// the same moment break that context, and the process ends: "ThreadSanitizer: CHECK
// failed", or a SIGSEGV in it (golang/go issue 78156). On one processor no two can. So
// under the race detector a bubble has one, which costs nothing of what is proved: races
// are found by order, not by overlap, and goroutines are preempted as before.
package bubbles

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// narrow is held by the one bubble that has the process on one processor.
var narrow sync.Mutex

// Test is synctest.Test. Under the race detector bubbles run one after the other, and
// the whole process has one processor meanwhile.
func Test(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	defer one()()
	defer watch()()
	synctest.Test(t, f)
}

// Rapid is rapid.SyncTest, in the same way.
func Rapid(t *rapid.T, f func(t *rapid.T)) {
	t.Helper()
	defer one()()
	defer watch()()
	rapid.SyncTest(t, f)
}

// one gives the process one processor, if need be, until its result is called.
func one() (restore func()) {
	if !Race {
		return func() {}
	}
	narrow.Lock()
	before := runtime.GOMAXPROCS(1)
	return func() {
		runtime.GOMAXPROCS(before)
		narrow.Unlock()
	}
}
