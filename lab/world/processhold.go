package world

import (
	"context"
	"sync"
	"time"

	"stasis/event"
	"stasis/fault"
	"stasis/fault/control"
)

// seeLimit bounds the wait for an event that has come already, by another connection.
const seeLimit = 5 * time.Second

// processHold is an operation that is held in one of the processes, or will be. Its step is seen by all watchers before it is
// reached here.
type processHold struct {
	moment  fault.Moment
	reached chan struct{}
	over    chan struct{}
	seen    *sighting
	ended   context.Context
	end     context.CancelFunc
	waiting sync.WaitGroup
	one     sync.Once
}

// holding is what holds at one place.
type holding interface {
	Reached() <-chan struct{}
	Over() <-chan struct{}
}

func newProcessHold(m fault.Moment, s *stream) *processHold {
	h := &processHold{moment: m, reached: make(chan struct{}), over: make(chan struct{}), seen: newSighting(m.Step, s)}
	h.ended, h.end = context.WithCancel(context.Background())
	return h
}

// at lets the operation be held at one more place, until release is called.
func (h *processHold) at(place holding, gone <-chan struct{}, of func() event.Event, release func()) {
	h.waiting.Go(func() {
		defer release()
		select {
		case <-place.Reached():
		case <-h.reached: // elsewhere
			return
		case <-gone:
			return
		case <-h.ended.Done():
			return
		}
		first := false
		h.one.Do(func() { first = true })
		if !first {
			return
		}
		h.seen.await(h.ended, of())
		close(h.reached)
		select {
		case <-place.Over():
			close(h.over)
		case <-gone:
			close(h.over)
		case <-h.ended.Done():
		}
	})
}

// Reached implements [Held].
func (h *processHold) Reached() <-chan struct{} { return h.reached }

// Over implements [Held].
func (h *processHold) Over() <-chan struct{} { return h.over }

// End lets the operation go on. Calling it again is harmless.
func (h *processHold) End() {
	h.end()
	h.waiting.Wait()
	h.seen.stop()
}

// spent reports whether nothing more can be held.
func (h *processHold) spent() bool {
	select {
	case <-h.reached:
		return true
	default:
		return h.ended.Err() != nil
	}
}

// heldThere is a hold in one process.
func (h *processHold) heldThere(ctx context.Context, c *control.Client) error {
	held, err := c.Hold(ctx, h.moment)
	if err != nil {
		c.Close()
		return err
	}
	h.at(held, held.Gone(), func() event.Event {
		e, _ := held.Event()
		return e
	}, c.Close)
	return nil
}

// sighting waits until watchers have seen an event.
type sighting struct {
	stop func()
	mu   sync.Mutex
	all  map[event.Event]bool
	more chan struct{} // closed when another one has been seen
}

func newSighting(step event.Name, s *stream) *sighting {
	g := &sighting{all: map[event.Event]bool{}, more: make(chan struct{})}
	g.stop = s.watch(func(e event.Event) {
		if e.Step != step {
			return
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.all[e] = true
		close(g.more)
		g.more = make(chan struct{})
	})
	return g
}

// await returns when the event has been seen, or soon if it will not be: the connection that brings events may have ended.
func (g *sighting) await(ctx context.Context, e event.Event) {
	ctx, cancel := context.WithTimeout(ctx, seeLimit)
	defer cancel()
	for {
		g.mu.Lock()
		seen, more := g.all[e], g.more
		g.mu.Unlock()
		if seen {
			return
		}
		select {
		case <-more:
		case <-ctx.Done():
			return
		}
	}
}
