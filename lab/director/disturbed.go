package director

import (
	"slices"
	"sync"
)

// disturbed are the things that a scenario has done which may keep a server from coming back. The zero value is ready.
type disturbed struct {
	mu     sync.Mutex // held shortly
	count  int        // of all that was done
	broken bool       // something is broken until all is healed
	gone   bool       // something is gone for good: a disk, a server

	moments []*focus // of the steps that are being done: operations are held there
}

// passing are the faults that keep no server from coming back once they are done: what they leave is in stage.down and stage.paused,
// or is a change of the cluster that it has to bear.
var passing = []string{"restart", "kill", "crash", "pause", "move shard", "clean out", "create collection", "drop collection"}

// lasting are those that healing does not take back.
var lasting = []string{"lose disk", "recover agency", "remove"}

// by notes a fault before it is done.
func (d *disturbed) by(verb string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count++
	d.gone = d.gone || slices.Contains(lasting, verb)
	d.broken = d.broken || !slices.Contains(passing, verb)
}

// at notes that an operation is held at the moment of a step, until leave is called. A server may have to wait for it.
func (d *disturbed) at(f *focus) (leave func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count++
	d.moments = append(d.moments, f)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.moments = slices.DeleteFunc(d.moments, func(other *focus) bool { return other == f })
	}
}

// healed notes that nothing is broken any more.
func (d *disturbed) healed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = false
}

// look says whether nothing is broken, gone or held, and gives the count of what was done: if it changes, something was done meanwhile.
func (d *disturbed) look() (count int, whole bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count, !d.broken && !d.gone && !slices.ContainsFunc(d.moments, func(f *focus) bool { return f.inTime() })
}
