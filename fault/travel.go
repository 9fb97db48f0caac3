package fault

import (
	"context"
	"net"
	"time"
)

// travel waits while one packet is on its way, and sends it again when a cut link heals.
// It does not end while host, which waits for the packet, is frozen.
func (c *core) travel(ctx context.Context, l *link, host *host) error {
	var arrives time.Time // zero while the packet cannot be on its way
	held := false
	for {
		now := time.Now()
		switch {
		case c.closed:
			return net.ErrClosed
		case ctx.Err() != nil:
			return ctx.Err()
		case !l.open():
			arrives = time.Time{}
			if !held {
				held = true
				l.tally.Held.add(0)
			}
		case arrives.IsZero():
			arrives = now.Add(l.lag())
		}
		until := arrives
		if !host.frozen && !arrives.IsZero() && !now.Before(arrives) {
			return nil
		}
		if host.frozen {
			until = time.Time{}
		}
		c.block(c.changed.wait(), until, ctx.Done())
	}
}
