package director

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// waits are the steps that have not been done yet.
type waits struct {
	mu  sync.Mutex // held shortly
	all map[*step]bool
}

func (w *waits) set(s *step, is bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all[s] = is
}

func (w *waits) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var lines []string
	for s, is := range w.all {
		if is {
			lines = append(lines, fmt.Sprintf("line %d: %s", s.Line, s.When.Text))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "; ")
}

// tellEvery is how often a run that goes on says what it waits for, on its own clock.
const tellEvery = time.Minute

// tell says what is waited for until over. A run that takes too long of real time is ended from outside, which knows no more than this.
func (p *script) tell(w *waits, over <-chan struct{}) {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return
		case <-tick.C:
		}
		what := w.String()
		if what == "" {
			what = "the operations that go on"
		}
		p.run.say("it waits for %s", what)
	}
}
