package minicluster

import (
	"context"
	"maps"
	"sync"

	"stasis/event"
	"stasis/fault/control"
)

// LabHold is an operation that is held at a step, or will be.
type LabHold struct {
	reached chan struct{}
	end     context.CancelFunc
	waiting sync.WaitGroup
	mu      sync.Mutex        // guards below
	silent  map[string]string // the servers that hold nothing, and why
	places  int               // processes that hold, or will
	event   event.Event
	over    string // why it holds nothing any more, though it was not ended
}

// holdsNot notes a server whose process holds nothing.
func (h *LabHold) holdsNot(server, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.silent[server] = why
}

// placed notes that one more process holds the operation.
func (h *LabHold) placed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.places++
}

// lost notes that a process has ended that had not come to the step. When the last one has, nothing comes to it any more.
func (h *LabHold) lost(server string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.silent[server] = "its process has ended, and one that is started again holds nothing"
	if h.places--; h.places == 0 {
		h.over = "all processes have ended that would hold"
	}
}

// ended notes that the operation is not held any more, though the hold was not ended.
func (h *LabHold) ended(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = why
}

// Over says why it holds nothing any more, though End was not called: the operation has reached a limit of its own, or its process
// has ended. "": it holds, or will.
func (h *LabHold) Over() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.over
}

// holdNothing are the servers that hold nothing, and why.
func (h *LabHold) holdNothing() map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.silent)
}

// await waits until the hold of one process may end: at the end, or when another process has one already.
func (h *LabHold) await(ctx context.Context, server string, held *control.Held) {
	select {
	case <-held.Reached():
	case <-h.reached:
		return
	case <-held.Gone():
		if ctx.Err() == nil {
			h.lost(server)
		}
		return
	case <-ctx.Done():
		return
	}
	if e, _ := held.Event(); !h.met(e) {
		return
	}
	select {
	case <-held.Over():
		h.ended(held.Why())
	case <-held.Gone():
		if ctx.Err() == nil {
			h.ended("the process of " + server + " has ended")
		}
	case <-ctx.Done():
	}
}

// met notes the step that is reached; false if another one is.
func (h *LabHold) met(e event.Event) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.reached:
		return false
	default:
		h.event = e
		close(h.reached)
		return true
	}
}

// Reached is closed when an operation has come to the step.
func (h *LabHold) Reached() <-chan struct{} { return h.reached }

// Event is the step; it is zero before it is reached.
func (h *LabHold) Event() event.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.event
}

// End lets the operation go on. Calling it again is harmless.
func (h *LabHold) End() {
	h.end()
	h.waiting.Wait()
}
