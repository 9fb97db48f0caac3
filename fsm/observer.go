package fsm

import "slices"

// observer is the registration, or its end, of a callback to url.
type observer struct {
	url  string
	gone bool
}

// observers are who is to be told of changes: path → urls, sorted.
type observers struct {
	ordered[[]string]
	weight uint64
}

// apply registers the callback at path or drops it; repeats change nothing.
func (o observer) apply(all observers, path string) observers {
	urls, _ := all.find(path)
	at, known := slices.BinarySearch(urls, o.url)
	weight := observerWeight(path, o.url)
	switch {
	case known == !o.gone:
		return all
	case !o.gone:
		return observers{all.with(path, slices.Insert(slices.Clone(urls), at, o.url)), all.weight + weight}
	case len(urls) == 1:
		return observers{all.without(path), all.weight - weight}
	default:
		return observers{all.with(path, slices.Delete(slices.Clone(urls), at, at+1)), all.weight - weight}
	}
}

// observerWeight is that of one registration.
func observerWeight(path, url string) uint64 {
	return pathWeight + uint64(len(path)) + uint64(len(url))
}

// Calls are what callbacks are to be told: url → observed path → changed path →
// name of the operation.
type Calls map[string]map[string]map[string]string

// Observed adds to calls whom a change concerns: who observes a path that it
// changed, or one above or below such a path. Registrations are no changes.
func (s *State) Observed(e Entry, calls Calls) {
	if s.observers.len() == 0 {
		return
	}
	changes := e.changes()
	for path, urls := range s.observers.all() {
		for changed, name := range changes {
			if !covers(path, changed) && !covers(changed, path) {
				continue
			}
			for _, url := range urls {
				calls.add(url, path, changed, name)
			}
		}
	}
}

// What waits to be told is bounded: so many observers, so many changes for each, and
// paths of so many bytes. Beyond it an observer is told of its path alone that there were
// changes, and one too many is told nothing. A call is a hint.
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
