package operation

import (
	"context"

	"stasis/event"
)

// inOrder calls a sink for one event at a time. An event waits for its turn on a channel, so that a
// sink may sleep in a bubble, and it waits although its context may have ended: the step has happened,
// and its event must not be lost. The wait is no longer than the sinks before it take, and these end
// with the contexts of their own steps.
type inOrder struct {
	sink event.Sink
	turn chan struct{} // holds a token while the sink is called
}

func newInOrder(sink event.Sink) inOrder { return inOrder{sink, make(chan struct{}, 1)} }

func (o inOrder) emit(ctx context.Context, e event.Event) {
	o.turn <- struct{}{}
	defer func() { <-o.turn }()
	o.sink.Emit(ctx, e)
}

// Events emits the events of one operation that is no [Operation]: a delete, a verify, a transfer. Any
// goroutine may call its methods.
type Events struct {
	name, id string // of the operation, of the backup
	events   inOrder
}

// NewEvents emits the events of an operation on a backup to a sink.
func NewEvents(name, id string, sink event.Sink) *Events {
	return &Events{name: name, id: id, events: newInOrder(sink)}
}

// Emit sends an event, one at a time, with the operation's name and the backup's id.
func (s *Events) Emit(ctx context.Context, e event.Event) {
	e.Operation, e.ID = s.name, s.id
	s.events.emit(ctx, e)
}
