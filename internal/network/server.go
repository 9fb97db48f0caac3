package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"stasis/internal/apierror"
	"stasis/internal/budget"
	"stasis/internal/failpoint"
)

// flushTime is how long Shutdown waits for answers that are being sent, and for
// connections that were never used.
const flushTime = 250 * time.Millisecond

// refusedBytes is how much of a body that a handler left unread is read nevertheless.
// Many clients look for the answer only when they have sent everything, and would
// find a broken connection instead of the reason.
const refusedBytes = 64 << 20

// ServerOptions are the settings of a Server. Zero values mean the defaults.
type ServerOptions struct {
	Address string       // to listen on, "host:port"; not used by ServeListener
	Logger  hclog.Logger // for errors of net/http, and about credentials; none by default

	HeaderTimeout time.Duration // a request's header must be complete (10 s)
	StallTimeout  time.Duration // longest wait for the next bytes of a body, or for a client to take those of an answer (30 s)
	IdleTimeout   time.Duration // an unused connection is closed (2 min)
	Grace         time.Duration // how long Shutdown waits for running requests at most (5 s)

	Advertise string   // the address that others are told, host:port, if it is not the listener's
	Names     []string // further addresses, host:port, by which requests may name the server: what it was told to listen on
	Browsers  Browsers // the web pages that may use the server

	Limits Limits                           // of what clients can make the server hold
	Class  func(*http.Request) budget.Class // whether another server needs the answer to go on; by default every request is a client's

	// Refuse answers a request that is not handled, for want of memory. By default the error is the answer.
	Refuse func(w http.ResponseWriter, r *http.Request, why error)
}

func (o ServerOptions) withDefaults() ServerOptions {
	orElse := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	orElse(&o.HeaderTimeout, 10*time.Second)
	orElse(&o.StallTimeout, 30*time.Second)
	orElse(&o.IdleTimeout, 2*time.Minute)
	orElse(&o.Grace, 5*time.Second)
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Class == nil {
		o.Class = func(*http.Request) budget.Class { return budget.Client }
	}
	if o.Refuse == nil {
		o.Refuse = func(w http.ResponseWriter, _ *http.Request, why error) { apierror.Write(w, why) }
	}
	o.Limits = o.Limits.WithDefaults()
	return o
}

// Server serves HTTP/1.1 and cleartext HTTP/2 on one listener. Bodies and answers may take
// any time as long as they move. What requests hold is counted: handlers find their account
// with [budget.Of]. Its methods may be called from any goroutine.
type Server struct {
	http     *http.Server
	listener net.Listener
	handler  http.Handler
	stall    time.Duration
	grace    time.Duration
	limits   Limits
	class    func(*http.Request) budget.Class
	refuse   func(w http.ResponseWriter, r *http.Request, why error)
	conns    *connections

	cancel   context.CancelFunc // ends the context of every request
	serving  sync.WaitGroup     // the accept loop
	requests inFlight
	err      chan error
}

// NewServer listens on o.Address and serves h until Shutdown.
func NewServer(n Network, h http.Handler, o ServerOptions) (*Server, error) {
	l, err := n.Listen(o.Address)
	if err != nil {
		return nil, err
	}
	return ServeListener(l, h, o), nil
}

// ServeListener serves h on a listener that is open; Shutdown closes it.
func ServeListener(l net.Listener, h http.Handler, o ServerOptions) *Server {
	o = o.withDefaults()
	h = &unchecked{next: h, log: o.Logger}
	h = newGuard(o.Browsers, append([]string{l.Addr().String(), o.Address, o.Advertise}, o.Names...), h)
	base, cancel := context.WithCancel(context.Background())
	s := &Server{
		listener: l, handler: h, stall: o.StallTimeout, grace: o.Grace, limits: o.Limits, class: o.Class, refuse: o.Refuse,
		conns: o.Limits.conns, cancel: cancel, err: make(chan error, 1),
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s.http = &http.Server{
		Handler:           s,
		Protocols:         &protocols,
		ReadHeaderTimeout: o.HeaderTimeout,
		IdleTimeout:       o.IdleTimeout,
		MaxHeaderBytes:    headerBytes,
		ConnState:         s.conns.changed,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: streams, MaxReceiveBufferPerConnection: receiveBytes, MaxReceiveBufferPerStream: receiveBytes,
			WriteByteTimeout: o.StallTimeout,
		},
		ErrorLog:    o.Logger.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
		BaseContext: func(net.Listener) context.Context { return base },
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, runningKey{}, new(atomic.Int64))
		},
	}
	s.serving.Go(func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.err <- fmt.Errorf("serve on %s: %w", l.Addr(), err)
		}
	})
	return s
}

// Addr is where the server listens, "host:port".
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URL is Addr as a URL without path.
func (s *Server) URL() string { return "http://" + s.Addr() }

// Err receives one error if the server stops accepting without being asked to.
func (s *Server) Err() <-chan error { return s.err }

// ServeHTTP runs the handler; it is called by net/http.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests.begin()
	defer s.requests.end()
	out := newAnswer(w, r, s.stall)
	defer out.end()
	account, done := s.open(r)
	defer done()
	r = r.WithContext(budget.With(r.Context(), account))
	var body *movingBody
	if r.Body != nil && r.Body != http.NoBody {
		body = newMovingBody(out, r, s.stall, s.limits.LeastRate)
		r.Body = body
	}
	if err := account.Begin(headerSize(r)); err != nil {
		s.refuse(out, r, err)
	} else {
		s.handler.ServeHTTP(out, r)
	}
	account.Close()
	if body != nil && body.ended == nil && !body.stream && r.Header.Get("Expect") == "" { // else the client has not begun to send
		_, _ = io.CopyN(io.Discard, body, refusedBytes) // its end, or an error of the client
	}
}

// runningKey is the context key of the number of running requests of a connection.
type runningKey struct{}

// open makes the account of a request. A connection may have one small request at a time. Others that
// run at the same time, in HTTP/2, count as large ones: the pool of small ones is made for as
// many requests as there may be connections (budget.SmallBytes), and streams cost a client nothing.
func (s *Server) open(r *http.Request) (account *budget.Account, done func()) {
	account = s.limits.Budget.Open(s.class(r))
	running, ok := r.Context().Value(runningKey{}).(*atomic.Int64)
	if !ok {
		return account, account.Close // a test calls the handler
	}
	if running.Add(1) > 1 && !failpoint.Off("streams-are-large") {
		account = s.limits.Budget.OpenLarge(s.class(r))
	}
	return account, func() {
		running.Add(-1)
		account.Close()
	}
}

// headerSize is about how many bytes the header of a request takes.
func headerSize(r *http.Request) int64 {
	const each = 64 // a name's and a value's place
	size := len(r.RequestURI) + len(r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + each
		}
	}
	return int64(size)
}

// Shutdown stops accepting and lets running requests end for the grace time, or
// until ctx ends; then it ends their contexts and closes their connections. It
// returns when no handler runs any more, and an error if one does not give up
// within another grace time. Calling it again is harmless.
func (s *Server) Shutdown(ctx context.Context) error {
	polite, cancel := context.WithTimeout(ctx, s.grace)
	defer cancel()
	now, cancelNow := context.WithCancel(polite)
	cancelNow()
	_ = s.http.Shutdown(now) // no more connections; its only error is that requests are running
	if s.requests.wait(polite) {
		// Handlers are done, their answers may not be sent yet.
		flushed, cancel := context.WithTimeout(polite, flushTime)
		defer cancel()
		_ = s.http.Shutdown(flushed)
	}
	s.cancel()
	err := s.http.Close()
	s.serving.Wait()
	last, cancelLast := context.WithTimeout(context.Background(), s.grace)
	defer cancelLast()
	if !s.requests.wait(last) {
		return fmt.Errorf("shut down %s: requests still running after %s", s.Addr(), s.grace)
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("shut down %s: %w", s.Addr(), err)
	}
	return nil
}

// inFlight counts running requests and lets one goroutine wait for none.
type inFlight struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n reaches 0; nil while no goroutine waits
}

func (f *inFlight) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
}

func (f *inFlight) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n--; f.n == 0 && f.idle != nil {
		close(f.idle)
		f.idle = nil
	}
}

// wait reports whether all requests ended before ctx did.
func (f *inFlight) wait(ctx context.Context) bool {
	f.mu.Lock()
	if f.n == 0 {
		f.mu.Unlock()
		return true
	}
	if f.idle == nil {
		f.idle = make(chan struct{})
	}
	idle := f.idle
	f.mu.Unlock()
	select {
	case <-idle:
		return true
	case <-ctx.Done():
		return false
	}
}
