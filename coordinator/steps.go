package coordinator

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"

	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// stepLog keeps the last steps of backups and restores on this coordinator, and
// hands new ones to whoever follows. A follower that is too slow misses the oldest.
type stepLog struct {
	mu     sync.Mutex
	ring   []event.Event
	count  uint64        // of events ever; the last is at (count-1) % len(ring)
	change chan struct{} // closed at the next event
}

func newStepLog(size int) *stepLog {
	return &stepLog{ring: make([]event.Event, size), change: make(chan struct{})}
}

// add is a step.Sink.
func (l *stepLog) add(_ context.Context, e event.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring[l.count%uint64(len(l.ring))] = e
	l.count++
	close(l.change)
	l.change = make(chan struct{})
}

// after gives the events kept beyond the first n ever, how many there were ever,
// and what is closed when there is one more.
func (l *stepLog) after(n uint64) ([]event.Event, uint64, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := uint64(len(l.ring))
	if l.count > size {
		n = max(n, l.count-size)
	}
	var events []event.Event
	for ; n < l.count; n++ {
		events = append(events, l.ring[n%size])
	}
	return events, l.count, l.change
}

// before gives the position from which the last n events follow.
func (l *stepLog) before(n uint64) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count - min(n, l.count)
}

// streamSteps answers with the events kept, or the last so many of them, one JSON
// object per line. With follow=true it goes on with every new one until the
// client or the server goes.
func (a *api) streamSteps(c *rest.Call) error {
	follow, err := c.Flag("follow", false)
	if err != nil {
		return err
	}
	begin := uint64(0)
	if last := c.R.URL.Query().Get("last"); last != "" {
		n, err := strconv.ParseUint(last, 10, 32)
		if err != nil {
			return apierror.New(apierror.BadParameter, "last=%q: want a number", last)
		}
		begin = a.steps.before(n)
	}
	c.W.Header().Set("Content-Type", "application/x-ndjson")
	c.W.WriteHeader(http.StatusOK)
	out, flush := json.NewEncoder(c.W), http.NewResponseController(c.W)
	for n := begin; ; {
		events, next, more := a.steps.after(n)
		n = next
		for _, e := range events {
			if out.Encode(e) != nil {
				return nil // the client is gone: nobody to tell
			}
		}
		if !follow || flush.Flush() != nil {
			return nil
		}
		select {
		case <-more:
		case <-c.R.Context().Done():
			return nil
		case <-a.life.ended:
			return nil
		}
	}
}
