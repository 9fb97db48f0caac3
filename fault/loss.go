package fault

import (
	"context"
	"io"
	"net"
	"net/http/httptrace"
)

// lose writes the request to nowhere. A client takes a request for which no connection was used for one that
// was certainly not sent, and sends it again without asking: a loss on a network does not look so. A body of unknown length is
// read as long as the caller waits.
func (q *request) lose(ctx context.Context, x meeting, detach func(func())) (done func()) {
	trace := httptrace.ContextClientTrace(ctx)
	connected(ctx, x)
	if trace != nil && trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	write := func() {
		var err error
		if !q.empty() {
			_, err = io.Copy(io.Discard, q.r.Body)
		}
		if trace != nil && trace.WroteRequest != nil {
			trace.WroteRequest(httptrace.WroteRequestInfo{Err: err})
		}
	}
	if q.empty() || q.r.GetBody != nil { // it is in memory
		write()
	} else {
		detach(write)
	}
	return q.close
}

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
