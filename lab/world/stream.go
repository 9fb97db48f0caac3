package world

import (
	"context"
	"slices"
	"sync"

	"stasis/event"
	"stasis/fault"
)

// stream gives the events of all servers to those who watch, in one order, and then to what holds operations.
type stream struct {
	triggers fault.Triggers
	gates    gates
	pauses   pauses
	mu       sync.Mutex // held while watchers see an event: they have one order for all
	watchers []*watcher
	holds    []*fault.Trigger // all that were made
}

type watcher struct{ see func(event.Event) }

// sink is an [event.Sink]. A server that is paused tells nothing, and does not go on from a step that it has told.
func (s *stream) sink(ctx context.Context, e event.Event) {
	s.pauses.wait(e.Emitter)
	s.tell(e)
	s.triggers.Sink(ctx, e)
	s.pauses.wait(e.Emitter)
}

func (s *stream) tell(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gates.see(e)
	for _, w := range s.watchers {
		w.see(e)
	}
}

func (s *stream) watch(see func(event.Event)) (stop func()) {
	w := &watcher{see}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers = append(slices.Clone(s.watchers), w)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.watchers = slices.DeleteFunc(slices.Clone(s.watchers), func(other *watcher) bool { return other == w })
	}
}

// hold holds an operation at a moment.
func (s *stream) hold(m fault.Moment) *fault.Trigger {
	held := s.triggers.Hold(m)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holds = append(s.holds, held)
	return held
}

// letGo ends all holds.
func (s *stream) letGo() {
	s.mu.Lock()
	holds := s.holds
	s.holds = nil
	s.mu.Unlock()
	for _, held := range holds {
		held.End()
	}
}
