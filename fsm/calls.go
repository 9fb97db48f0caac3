package fsm

import (
	"maps"
	"slices"
)

// Calls are what the callbacks are told: url → observed path → changed path → name of the operation.
type Calls map[string]map[string]map[string]string

// Observed adds to calls the observers that a change concerns: those of a path that it changed, and
// of paths above or below. Registrations are no changes.
func (s *State) Observed(e Entry, calls Calls) {
	if s.observers.len() == 0 {
		return
	}
	changes := e.changes()
	// In order, because the bounds let the first ones pass.
	sorted := slices.Sorted(maps.Keys(changes))
	for path, urls := range s.observers.all() {
		for _, changed := range sorted {
			if !covers(path, changed) && !covers(changed, path) {
				continue
			}
			for _, url := range urls {
				calls.add(url, path, changed, changes[changed])
			}
		}
	}
}

// Calls are bounded: so many observers, so many changes for each, and paths of so many bytes. An
// observer of more changes is told only that its path has changed, and observers above the bound are
// told nothing. A call is a hint: a client that needs every change polls.
const (
	MostObservers = 256
	MostChanges   = 1000
	longestTold   = 256
)

func (c Calls) add(url, path, changed, name string) {
	if len(path) > longestTold || c[url] == nil && len(c) >= MostObservers {
		return
	}
	if len(changed) > longestTold {
		changed, name = path, "set"
	}
	if c.changes(url) >= MostChanges {
		if c[url][path] == nil {
			return
		}
		delete(c[url], path)
		changed, name = path, "set"
	}
	if c[url] == nil {
		c[url] = map[string]map[string]string{}
	}
	if c[url][path] == nil {
		c[url][path] = map[string]string{}
	}
	c[url][path][changed] = name
}

// changes counts what one observer is to be told.
func (c Calls) changes(url string) (n int) {
	for _, changes := range c[url] {
		n += len(changes)
	}
	return n
}

// changes are the paths that an entry changed, and by which operation.
func (e Entry) changes() map[string]string {
	changes := map[string]string{}
	for _, path := range e.Expired {
		changes[path] = "delete"
	}
	operations, _ := parseOperations(e.Query) // it was applied: nothing is wrong with it
	for _, o := range operations {
		if o.observer == nil {
			changes[o.path] = o.name
		}
	}
	return changes
}
