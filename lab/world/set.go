package world

import (
	"maps"
	"slices"
	"sync"
)

// set is a set of names, for many goroutines.
type set struct {
	mu    sync.Mutex
	names map[string]bool
}

func (s *set) add(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.names == nil {
		s.names = map[string]bool{}
	}
	s.names[name] = true
}

func (s *set) remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.names, name)
}

func (s *set) has(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names[name]
}

func (s *set) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.names)
}

// list are the names, sorted.
func (s *set) list() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.names))
}
