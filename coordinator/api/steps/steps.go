// Package steps keeps the last steps of backups and restores on this coordinator, and answers
// GET /_stasis/steps with them.
package steps

import (
	"context"
	"sync"

	"stasis/client"
	"stasis/event"
	"stasis/internal/rest"
)

// Log keeps the last steps. Followers get every new one; a follower that is too slow misses
// the oldest. Its methods may be called from any goroutine.
type Log struct {
	mu     sync.Mutex
	ring   []event.Event
	count  uint64        // of all events so far; the last is at (count-1) % len(ring)
	change chan struct{} // closed at the next event
}

// NewLog makes a Log of so many steps.
func NewLog(size int) *Log {
	return &Log{ring: make([]event.Event, size), change: make(chan struct{})}
}

// Add keeps a step of a create or a restore. It is an [event.Sink]. Steps of other operations would
// push out those that users follow.
func (l *Log) Add(_ context.Context, e event.Event) {
	if !e.Progress() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring[l.count%uint64(len(l.ring))] = e
	l.count++
	close(l.change)
	l.change = make(chan struct{})
}

// after returns the kept events that follow the first n, how many events there were so far,
// and a channel that is closed at the next one.
func (l *Log) after(n uint64) ([]event.Event, uint64, <-chan struct{}) {
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

// before returns the position after which the last n events follow.
func (l *Log) before(n uint64) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count - min(n, l.count)
}

// API answers with the steps of a Log. All fields are required.
type API struct {
	Log   *Log
	Ended <-chan struct{} // closed when the server stops: then no answer goes on
}

// Routes returns the path that an API answers.
func (a *API) Routes() []rest.Route {
	return []rest.Route{{Method: "GET", Pattern: client.PathSteps, Handler: a.serve}}
}

// serve answers with the steps kept, or the last so many of them, one JSON object a line. With
// follow=true it goes on with every new one until the client goes or the server stops.
func (a *API) serve(c *rest.Call) error {
	follow, err := c.Flag("follow", false)
	if err != nil {
		return err
	}
	last, given, err := c.Number("last")
	if err != nil {
		return err
	}
	begin := uint64(0)
	if given {
		begin = a.Log.before(last)
	}
	lines := c.Lines()
	for n := begin; ; {
		events, next, more := a.Log.after(n)
		n = next
		for _, e := range events {
			if lines.Write(e) != nil {
				return nil // the client has gone
			}
		}
		if !follow || lines.Flush() != nil {
			return nil
		}
		select {
		case <-more:
		case <-c.R.Context().Done():
			return nil
		case <-a.Ended:
			return nil
		}
	}
}
