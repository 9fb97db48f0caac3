package fault

import (
	"context"
	"net"
	"net/http/httptrace"
)

// connected tells a caller whose message may arrive, or might have arrived, that a connection was used, as it would know of a message that is on its
// way. Otherwise it would take the message for one that was never sent.
func connected(ctx context.Context, x meeting) {
	trace := httptrace.ContextClientTrace(ctx)
	if trace == nil {
		return
	}
	if trace.GetConn != nil {
		trace.GetConn(x.address)
	}
	if trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Conn: goneConn(x), Reused: true})
	}
}

// goneConn is the connection over which a message was sent that is lost. It can do nothing any more.
func goneConn(x meeting) net.Conn {
	here, there := net.Pipe()
	_, _ = here.Close(), there.Close() // a pipe has no error to give
	return lostConn{here, x}
}

type lostConn struct {
	net.Conn
	x meeting
}

// LocalAddr implements net.Conn.
func (c lostConn) LocalAddr() net.Addr { return addr(c.x.from) }

// RemoteAddr implements net.Conn.
func (c lostConn) RemoteAddr() net.Addr { return addr(c.x.address) }
