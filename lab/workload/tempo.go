package workload

import (
	"context"
	"sync"
	"time"
)

// tempo is how fast clients work: at their pace until a time, and after it as in a lull.
type tempo struct {
	mu    sync.Mutex // held shortly, never over a wait
	until time.Time
	woken chan struct{} // closed when a lull ends
}

func newTempo() *tempo { return &tempo{woken: make(chan struct{})} }

// hurry lets clients keep their pace for d.
func (t *tempo) hurry(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if !now.Before(t.until) { // clients may wait as in a lull
		close(t.woken)
		t.woken = make(chan struct{})
	}
	if end := now.Add(d); end.After(t.until) {
		t.until = end
	}
}

// lull is nil while clients hurry, otherwise what tells of its end.
func (t *tempo) lull() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Now().Before(t.until) {
		return nil
	}
	return t.woken
}

// rest makes a pause of a client, part times as long as usual. The end of a lull ends it, and that of ctx.
func (t *tempo) rest(ctx context.Context, pace, lull time.Duration, part float64) {
	pause, woken := pace, (<-chan struct{})(nil)
	if lull > pace {
		if woken = t.lull(); woken != nil {
			pause = lull
		}
	}
	timer := time.NewTimer(time.Duration(part * float64(pause)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-woken:
	case <-ctx.Done():
	}
}
