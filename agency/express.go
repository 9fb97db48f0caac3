package agency

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// express answers the plain kind of request by itself: POST to a data endpoint,
// HTTP/1.1, a length, and no header beyond those that every client sends. At
// full load net/http takes several times as long for such a request as
// everything that the agency does about it.
//
// Whatever it does not know to the last byte is not its business: the connection
// goes to net/http with all bytes that were read and not yet answered, and stays there.
type express struct {
	calls   map[string]dataCall // by path
	plain   *lane               // to net/http
	fail    func(http.ResponseWriter, *http.Request, error)
	maxBody int64

	base   context.Context
	cancel context.CancelFunc // ends the calls
	wait   sync.WaitGroup     // accept loop and connections

	closing atomic.Bool
	mu      sync.Mutex
	conns   map[*expressConn]struct{}
}

const (
	expressHead  = 8 << 10 // a longer header goes to net/http
	expressBody  = 1 << 20 // so does a larger body
	expressIdle  = 2 * time.Minute
	expressRenew = 30 * time.Second // a deadline is moved only when it is off by so much
)

func newExpress(s *api, plain *lane) *express {
	x := &express{calls: map[string]dataCall{}, plain: plain, fail: s.fail, maxBody: min(s.maxBody, expressBody), conns: map[*expressConn]struct{}{}}
	for name, call := range s.data {
		x.calls[agencyPrefix+"/"+name] = call
	}
	x.base, x.cancel = context.WithCancel(context.Background())
	return x
}

// run takes connections from a lane until that is closed.
func (x *express) run(from *lane) {
	x.wait.Go(func() {
		for {
			conn, err := from.Accept()
			if err != nil {
				return
			}
			c := &expressConn{Conn: conn, express: x}
			if !x.track(c) {
				_ = conn.Close() // came too late
				continue
			}
			x.wait.Go(c.serve)
		}
	})
}

func (x *express) track(c *expressConn) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closing.Load() {
		return false
	}
	x.conns[c] = struct{}{}
	return true
}

func (x *express) forget(c *expressConn) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.conns, c)
}

// shutdown lets calls that are running end until ctx does. The lane it takes
// connections from must have been closed.
func (x *express) shutdown(ctx context.Context) {
	x.mu.Lock()
	x.closing.Store(true)
	for c := range x.conns {
		_ = c.SetReadDeadline(time.Unix(1, 0)) // wakes who waits for a request
	}
	x.mu.Unlock()
	ended := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		x.wait.Wait()
		close(ended)
	})
	select {
	case <-ended:
	case <-ctx.Done():
		x.mu.Lock()
		for c := range x.conns {
			_ = c.Close() // given up
		}
		x.mu.Unlock()
	}
	x.cancel()
	watch.Wait()
}

// expressConn is a connection and what was read of it but not yet answered.
type expressConn struct {
	net.Conn
	express *express
	buf     []byte // bytes not yet answered
	out     []byte
	until   time.Time // the read deadline that is set
}

// serve answers requests until the connection ends or is net/http's.
func (c *expressConn) serve() {
	defer c.express.forget(c)
	for {
		q, err := c.request()
		switch {
		case errors.Is(err, errNotPlain):
			c.handOver()
			return
		case err != nil:
			_ = c.Close() // the client has gone, or sent nothing for too long
			return
		}
		body := make([]byte, q.length)
		n := copy(body, c.buf[q.head:])
		rest := c.buf[q.head+n:]
		c.buf = c.buf[:copy(c.buf, rest)]
		if _, err := io.ReadFull(c.Conn, body[n:]); err != nil {
			_ = c.Close() // half a request
			return
		}
		if !c.answer(q, body) || c.express.closing.Load() {
			_ = c.Close()
			return
		}
	}
}

// handOver gives the connection to net/http. The deadline is that of an express
// connection no more.
func (c *expressConn) handOver() {
	if c.SetReadDeadline(time.Time{}) != nil || c.express.closing.Load() {
		_ = c.Close()
		return
	}
	c.express.plain.give(&headConn{Conn: c.Conn, head: c.buf})
}

// errNotPlain is a request that net/http has to look at.
var errNotPlain = errors.New("not for the express lane")

// plainRequest is the header of a request of the plain kind.
type plainRequest struct {
	call   dataCall
	path   string
	head   int // bytes of the header
	length int // bytes of the body
	noWait bool
}

// request reads until the header of one request is complete. Nothing of it is
// taken off the buffer, so that it can still be handed over.
func (c *expressConn) request() (plainRequest, error) {
	for {
		if q, complete, err := c.express.parse(c.buf); complete || err != nil {
			return q, err
		}
		if len(c.buf) == cap(c.buf) {
			c.buf = append(make([]byte, 0, max(1024, 2*cap(c.buf))), c.buf...)
		}
		// A deadline costs about as much as a read: it is moved now and then.
		if now := time.Now(); c.until.Sub(now) < expressIdle-expressRenew {
			c.until = now.Add(expressIdle)
			if err := c.SetReadDeadline(c.until); err != nil {
				return plainRequest{}, err
			}
			if c.express.closing.Load() { // the deadline may have been set to end this
				return plainRequest{}, net.ErrClosed
			}
		}
		n, err := c.Read(c.buf[len(c.buf):cap(c.buf)])
		c.buf = c.buf[:len(c.buf)+n]
		if err != nil {
			return plainRequest{}, err
		}
	}
}

// parse looks at the beginning of a request. It is complete when its header is;
// errNotPlain comes as soon as it is clear.
func (x *express) parse(buf []byte) (q plainRequest, complete bool, err error) {
	const method = "POST "
	if n := min(len(buf), len(method)); string(buf[:n]) != method[:n] {
		return q, false, errNotPlain
	}
	end := bytes.Index(buf, []byte("\r\n\r\n"))
	if end < 0 {
		if len(buf) > expressHead {
			return q, false, errNotPlain
		}
		return q, false, nil
	}
	q.head = end + 4
	line, rest, _ := bytes.Cut(buf[:end+2], []byte("\r\n"))
	target, ok := bytes.CutSuffix(line[len(method):], []byte(" HTTP/1.1"))
	if q.call = x.calls[string(target)]; !ok || q.call == nil {
		return q, false, errNotPlain
	}
	q.path, q.length = string(target), -1
	hosts := 0
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || !q.header(name, bytes.Trim(value, " \t"), &hosts) {
			return q, false, errNotPlain
		}
	}
	if hosts != 1 || q.length < 0 || int64(q.length) > x.maxBody {
		return q, false, errNotPlain
	}
	return q, true, nil
}

// header takes note of one header; false if it is not one of the plain kind.
func (q *plainRequest) header(name, value []byte, hosts *int) bool {
	for _, b := range value {
		if b < ' ' || b > '~' {
			return false
		}
	}
	switch {
	case is(name, "host"):
		*hosts++
		return len(value) > 0
	case is(name, "content-length"):
		n, err := strconv.ParseUint(string(value), 10, 31)
		if err != nil || q.length >= 0 || value[0] == '+' {
			return false
		}
		q.length = int(n)
		return true
	case is(name, "connection"):
		return is(value, "keep-alive")
	case is(name, "x-arangodb-agency-mode"):
		q.noWait = string(value) == "noWait"
		return true
	}
	return is(name, "content-type") || is(name, "user-agent") || is(name, "accept") || is(name, "accept-encoding") ||
		is(name, "x-arango-version") || is(name, "x-arango-driver")
}

// is says whether a header's name is the one in small letters.
func is(name []byte, small string) bool {
	if len(name) != len(small) {
		return false
	}
	for i, b := range name {
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		if b != small[i] {
			return false
		}
	}
	return true
}

// answer calls and writes; false if the connection is of no more use.
func (c *expressConn) answer(q plainRequest, body []byte) bool {
	status, text, err := q.call(callOf{ctx: c.express.base, body: body, noWait: q.noWait})
	c.out = c.out[:0]
	if err == nil {
		c.out = appendAnswer(c.out, status, nil, text, c.express.closing.Load())
	} else {
		w := &keptAnswer{header: http.Header{}}
		c.express.fail(w, &http.Request{Method: http.MethodPost, RequestURI: q.path, URL: &url.URL{Path: q.path}}, err)
		c.out = appendAnswer(c.out, w.status, w.header, w.body.Bytes(), c.express.closing.Load())
	}
	_, err = c.Write(c.out)
	return err == nil
}

// appendAnswer writes an answer as net/http would.
func appendAnswer(to []byte, status int, header http.Header, body []byte, last bool) []byte {
	to = append(to, "HTTP/1.1 "...)
	to = strconv.AppendInt(to, int64(status), 10)
	to = append(to, ' ')
	to = append(to, http.StatusText(status)...)
	to = append(to, "\r\nServer: ArangoDB\r\nX-Content-Type-Options: nosniff\r\nX-Arango-Queue-Time-Seconds: 0.000000\r\nDate: "...)
	to = time.Now().UTC().AppendFormat(to, http.TimeFormat)
	if header == nil {
		to = append(to, "\r\nContent-Type: "+jsonType...)
	}
	for name, values := range header {
		if name == "Content-Length" {
			continue
		}
		for _, value := range values {
			to = append(append(append(append(to, "\r\n"...), name...), ": "...), value...)
		}
	}
	if last {
		to = append(to, "\r\nConnection: close"...)
	}
	to = append(to, "\r\nContent-Length: "...)
	to = strconv.AppendInt(to, int64(len(body)), 10)
	return append(append(to, "\r\n\r\n"...), body...)
}

// keptAnswer is an answer that is sent later.
type keptAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *keptAnswer) Header() http.Header { return k.header }

func (k *keptAnswer) WriteHeader(status int) {
	if k.status == 0 {
		k.status = status
	}
}

func (k *keptAnswer) Write(p []byte) (int, error) {
	k.WriteHeader(http.StatusOK)
	return k.body.Write(p)
}
