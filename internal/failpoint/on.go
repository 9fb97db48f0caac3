//go:build failpoints

package failpoint

import (
	"context"
	"os"
	"sync"
)

// Anybody arms a point for all servers.
const Anybody = ""

// Action is what happens at an armed point. It runs in the goroutine that hit the
// point and may wait; an error is returned by Hit.
type Action func(ctx context.Context, who string) error

type key struct{ point, who string }

// The armed points are the process's: a test that arms one does not run beside
// another that arms the same.
var (
	mu      sync.Mutex
	actions = map[key]Action{}
	off     = os.Getenv("STASIS_MUTANT")
)

// Set arms a point for one server, or for Anybody, until the result is called.
func Set(point, who string, a Action) (clear func()) {
	mu.Lock()
	defer mu.Unlock()
	k := key{point, who}
	if actions[k] != nil {
		panic("failpoint " + point + " is armed already")
	}
	actions[k] = a
	return func() {
		mu.Lock()
		defer mu.Unlock()
		delete(actions, k)
	}
}

// Hit waits here if there are random delays, then runs the action that is set for the point, and gives its error.
func Hit(ctx context.Context, point, who string) error {
	if delays.Load() != nil {
		pause(ctx, point, who)
	}
	mu.Lock()
	a := actions[key{point, who}]
	if a == nil {
		a = actions[key{point, Anybody}]
	}
	mu.Unlock()
	if a == nil {
		return nil
	}
	return a(ctx, who)
}

// Off says whether a safety line is switched off: the one that the environment
// variable STASIS_MUTANT names.
func Off(line string) bool { return off != "" && off == line }
