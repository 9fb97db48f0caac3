package agency

import "slices"

// crowd is connections in the order in which they came. The mux guards it.
type crowd struct{ order []*trackedConn }

// add gives the one that has to go.
func (c *crowd) add(t *trackedConn, most int) (longest *trackedConn) {
	if len(c.order) >= most {
		longest, c.order = c.order[0], c.order[1:]
	}
	c.order = append(c.order, t)
	return longest
}

func (c *crowd) remove(t *trackedConn) {
	if i := slices.Index(c.order, t); i >= 0 {
		c.order = slices.Delete(c.order, i, i+1)
	}
}
