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
	over    chan struct{}
	end     context.CancelFunc
	waiting sync.WaitGroup
	mu      sync.Mutex        // guards below
	silent  map[string]string // the servers that hold nothing, and why
	places  int               // processes that hold, or will
	made    bool              // all processes were asked
	event   event.Event
	why     string // it holds nothing any more, though it was not ended
}

func newLabHold(end context.CancelFunc) *LabHold {
	return &LabHold{silent: map[string]string{}, reached: make(chan struct{}), over: make(chan struct{}), end: end}
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
	h.places--
	h.holdsSomething()
}

// madeAll notes that all processes were asked to hold.
func (h *LabHold) madeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.made = true
	h.holdsSomething()
}

// holdsSomething sees whether a process is left in which the step can come; h.mu is held.
func (h *LabHold) holdsSomething() {
	if h.made && h.places == 0 {
		h.endedBy("no process is left that would hold: those that did have ended, and one that is started later holds nothing")
	}
}

// ended notes that the operation is not held any more, though the hold was not ended.
func (h *LabHold) ended(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.endedBy(why)
}

// endedBy is ended; h.mu is held.
func (h *LabHold) endedBy(why string) {
	if h.why == "" {
		h.why = why
		close(h.over)
	}
}

// Over is closed when it holds nothing any more, though End was not called: see Why.
func (h *LabHold) Over() <-chan struct{} { return h.over }

// Why says why it holds nothing any more, though End was not called: the operation has reached a limit of its own, its process
// has ended, or no process is left in which the operation could come to the step. "": it holds, or will.
func (h *LabHold) Why() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.why
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
