package port

import (
	"net"
	"time"

	"github.com/hashicorp/raft"
)

// callBytes bounds the entries that one call of Raft carries. A larger entry goes alone. An agent
// that lags gets many small entries at once, and not sixteen large ones.
const callBytes = 8 << 20

// Shorten takes entries off a call until it is not too large. Raft sends the rest in its next call.
func Shorten(args *raft.AppendEntriesRequest) {
	bytes := 0
	for i, e := range args.Entries {
		if bytes += len(e.Data); i > 0 && bytes > callBytes {
			args.Entries = args.Entries[:i]
			return
		}
	}
}

// steadyConn is the caller's end of a Raft stream. Raft allows ten seconds for all bytes of a call,
// and sends the call again when they were not enough. Over a slow network, or to an agent whose
// disk is slow, it would send an entry of sixty megabytes for ever. steadyConn applies the time to
// the next bytes instead, and adds what the other agent's disk needs for the bytes already sent.
type steadyConn struct {
	net.Conn
	diskRate int
	// These are of the present call. A connection carries one at a time.
	allowed time.Duration
	sent    int
}

// steadyPiece is how many bytes have to be sent in the time that is allowed.
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
			onDisk := time.Duration(c.sent) * time.Second / time.Duration(c.diskRate)
			err = c.Conn.SetDeadline(time.Now().Add(c.allowed + onDisk))
		}
		if err != nil {
			return written, err
		}
	}
	return written, nil
}
