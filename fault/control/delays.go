package control

import (
	"sync"

	"stasis/fault"
)

// Delays are the random delays of this process, as orders set them. The zero value has none. All methods may be called from any
// goroutine.
type Delays struct {
	mu sync.Mutex
	on *fault.Buggified // nil: none
}

// Set is [Parts.Random]: the delays take the place of those before. With the probability 0 there are none.
func (d *Delays) Set(r Random) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.on != nil {
		d.on.End()
		d.on = nil
	}
	if r.Probability == 0 {
		return nil
	}
	on, err := fault.Buggify(r.Seed, r.Probability, r.Most)
	if err != nil {
		return Errorf(BadOrder, "random delays: %v", err)
	}
	d.on = on
	return nil
}

// Met is [Parts.Delayed].
func (d *Delays) Met() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.on == nil {
		return 0
	}
	return d.on.Met()
}
