// Package told is for tests: it keeps what servers tell of their steps.
package told

import (
	"context"
	"slices"
	"sync"

	"stasis/event"
)

// Events are all events that its Sink was given. The zero value is ready, and all methods may be called while servers run.
type Events struct {
	mu  sync.Mutex
	all []event.Event
}

// Sink is an [event.Sink].
func (e *Events) Sink(_ context.Context, one event.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, one)
}

// All are the events so far.
func (e *Events) All() []event.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.all)
}

// Steps are the steps so far of the events that are selected, in their order.
func (e *Events) Steps(selected func(event.Event) bool) (steps []event.Name) {
	for _, one := range e.All() {
		if selected(one) {
			steps = append(steps, one.Step)
		}
	}
	return steps
}

// Of selects the events of an operation. Of several emitters those of any, of none those of all.
func Of(operation string, emitters ...string) func(event.Event) bool {
	return func(e event.Event) bool {
		return e.Operation == operation && (len(emitters) == 0 || slices.Contains(emitters, e.Emitter))
	}
}
