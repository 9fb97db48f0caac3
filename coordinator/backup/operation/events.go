package operation

import (
	"context"

	"stasis/event"
)

// Events emits the events of one operation that is no Operation: a delete, a verify, a transfer. Any
// goroutine may call its methods.
type Events struct {
	name, id string // of the operation, of the backup
	sink     event.Sink
	emitting chan struct{} // holds a token while the sink is called
}

// NewEvents emits the events of an operation on a backup to a sink.
func NewEvents(name, id string, sink event.Sink) *Events {
	return &Events{name: name, id: id, sink: sink, emitting: make(chan struct{}, 1)}
}

// Emit sends an event, one at a time. It waits as [Operation.Emit] does.
func (s *Events) Emit(ctx context.Context, e event.Event) {
	s.emitting <- struct{}{}
	defer func() { <-s.emitting }()
	e.Operation, e.ID = s.name, s.id
	s.sink.Emit(ctx, e)
}
