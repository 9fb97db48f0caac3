package fsm

// contents are what the operations of a transaction can change, and the time
// that they see.
type contents struct {
	root      *Node
	clock     int64 // ms; the latest of all commands' times
	lifetimes lifetimes
	observers observers
}

func (c contents) weight() uint64 { return c.root.weight() + c.lifetimes.weight + c.observers.weight }

// expire returns the contents without what has expired, and the paths removed.
// Plan does not change while it is frozen, so what touches it then stays.
func (c contents) expire() (contents, []string) {
	var gone []string
	ended := c.lifetimes.endedBy(c.clock)
	for _, plan := range []bool{false, true} {
		for _, path := range ended {
			if touchesPlan(path) != plan || plan && Frozen(c.root) {
				continue
			}
			c.root = c.root.remove(segments(path))
			c.lifetimes = c.lifetimes.dropFrom(path)
			gone = append(gone, path)
		}
	}
	return c, gone
}
