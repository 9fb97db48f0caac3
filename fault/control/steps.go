package control

import (
	"context"
	"sync"

	"stasis/event"
	"stasis/fault"
)

// Steps are the events of a process: what is held at them, and who watches them. The zero value is ready. Method
// Sink is what servers are given.
type Steps struct {
	triggers fault.Triggers
	mu       sync.Mutex
	last     int
	watchers map[int]func(event.Event)
}

// Sink is an [event.Sink]. Watchers see an event before it holds anything up.
func (s *Steps) Sink(ctx context.Context, e event.Event) {
	s.mu.Lock()
	for _, see := range s.watchers {
		see(e) // puts it into a queue
	}
	s.mu.Unlock()
	s.triggers.Sink(ctx, e)
}

// watch calls see for each event until stop. see must not wait.
func (s *Steps) watch(see func(event.Event)) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watchers == nil {
		s.watchers = map[int]func(event.Event){}
	}
	s.last++
	id := s.last
	s.watchers[id] = see
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, id)
	}
}
