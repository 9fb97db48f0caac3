package agency

import (
	"net"
	"time"

	"stasis/agency/store"
)

// steadyConn is the caller's end of a Raft stream. Raft gives each call ten seconds for
// all its bytes, and starts again when they were not enough: over a slow network, or to an agent whose disk is
// slow, an entry of sixty megabytes was sent again and again. Here the time is for the next bytes to
// move, and then for the other agent's disk.
type steadyConn struct {
	net.Conn
	// Of the call that is being made; a connection carries one at a time.
	allowed time.Duration
	sent    int
}

// steadyPiece is how much has to move in the time that is allowed.
const steadyPiece = 256 << 10

// SetDeadline begins a call.
func (c *steadyConn) SetDeadline(t time.Time) error {
	if c.allowed, c.sent = 0, 0; !t.IsZero() {
		c.allowed = time.Until(t)
	}
	return c.Conn.SetDeadline(t)
}

func (c *steadyConn) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		piece := p[:min(len(p), steadyPiece)]
		n, err := c.Conn.Write(piece)
		written, c.sent, p = written+n, c.sent+n, p[n:]
		if err == nil && c.allowed > 0 && c.sent > steadyPiece {
			err = c.Conn.SetDeadline(time.Now().Add(c.allowed + time.Duration(c.sent)*time.Second/store.LeastRate))
		}
		if err != nil {
			return written, err
		}
	}
	return written, nil
}
