package rclone

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/rclone/rclone/fs/fshttp"

	"stasis/internal/failpoint"
)

// rclone has no hook where it connects. But all of its HTTP clients, and SFTP and FTP,
// can be told a SOCKS proxy. So this process has one, on loopback, while a remote is
// open: the place where every connection of a remote passes, is checked with its
// address, and is counted. Each remote has a password of its own for it.

// gate is the proxy.
type gate struct {
	listener net.Listener
	ctx      context.Context
	stop     context.CancelFunc
	work     sync.WaitGroup
	shared   *pass // of the one client that rclone shares between remotes: what any open remote may not do it may not do

	mu     sync.Mutex
	passes map[string]*pass
}

// pass is what one remote shows at the gate.
type pass struct {
	gate  *gate
	token string
	hosts hosts
	ctx   context.Context
	end   context.CancelFunc

	// doom ends when a connection was forbidden: then the remote is of no use, and
	// rclone's many ways to try again are cut short. Its cause says what was forbidden.
	doom   context.Context
	forbid context.CancelCauseFunc

	mu     sync.Mutex
	failed map[string]error // host:port → why the last connection there failed
}

// gates is the process's one gate, while anything uses it.
var gates struct {
	mu   sync.Mutex
	open *gate
	used int
}

// newPass gives a remote its pass; the first opens the gate.
func newPass(h hosts) (*pass, error) {
	gates.mu.Lock()
	defer gates.mu.Unlock()
	if gates.open == nil {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("open the gate for the connections of remotes: %w", err)
		}
		g := &gate{listener: l, passes: map[string]*pass{}}
		g.ctx, g.stop = context.WithCancel(context.Background())
		g.shared = g.pass(hosts{})
		g.passes[g.shared.token] = g.shared
		g.work.Go(g.accept)
		// The shared client is made now, when there is no other remote that could use it.
		fshttp.ResetTransport()
		fshttp.NewTransport(settings(context.Background(), g.shared))
		gates.open = g
	}
	gates.used++
	g := gates.open
	p := g.pass(h)
	g.mu.Lock()
	g.passes[p.token] = p
	g.mu.Unlock()
	return p, nil
}

func (g *gate) pass(h hosts) *pass {
	p := &pass{gate: g, token: rand.Text(), hosts: h, failed: map[string]error{}}
	p.ctx, p.end = context.WithCancel(g.ctx)
	p.doom, p.forbid = context.WithCancelCause(context.Background())
	return p
}

// close ends the remote's connections; the last pass closes the gate.
func (p *pass) close() {
	p.end()
	p.gate.mu.Lock()
	delete(p.gate.passes, p.token)
	p.gate.mu.Unlock()
	gates.mu.Lock()
	gates.used--
	last := gates.used == 0
	if last {
		gates.open = nil
	}
	gates.mu.Unlock()
	if last {
		p.gate.stop()
		_ = p.gate.listener.Close() // its only error is that it is closed
		p.gate.work.Wait()
	}
}

// proxy is the gate's address for rclone, with the pass's password. HTTP clients may
// go on through a proxy that the environment names, as they do without the gate.
func (p *pass) proxy(kind string) string {
	return kind + ":" + p.token + "@" + p.gate.listener.Addr().String()
}

const (
	forHTTP = "http"
	forTCP  = "tcp"
)

// permits asks the rule; the shared client all open remotes' rules.
func (p *pass) permits(ctx context.Context, name string, at netip.AddrPort) error {
	if p != p.gate.shared {
		return p.hosts.permits(ctx, name, at)
	}
	p.gate.mu.Lock()
	var all []hosts
	for _, other := range p.gate.passes {
		all = append(all, other.hosts)
	}
	p.gate.mu.Unlock()
	for _, h := range all {
		if err := h.permits(ctx, name, at); err != nil {
			return err
		}
	}
	return nil
}

// reason is why the last connection to host:port failed, if one did.
func (p *pass) reason(target string) error {
	for _, at := range []*pass{p, p.gate.shared} {
		at.mu.Lock()
		err := at.failed[target]
		at.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

func (g *gate) accept() {
	for {
		conn, err := g.listener.Accept()
		if err != nil {
			if g.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			select { // out of file descriptors, perhaps for a moment
			case <-time.After(100 * time.Millisecond):
				continue
			case <-g.ctx.Done():
				return
			}
		}
		g.work.Go(func() { g.serve(conn) })
	}
}

// serve is one connection of a remote, to its end.
func (g *gate) serve(client net.Conn) {
	defer client.Close()
	defer context.AfterFunc(g.ctx, func() { _ = client.Close() })()
	if client.SetDeadline(time.Now().Add(connectTimeout)) != nil {
		return
	}
	p, kind, err := g.greet(client)
	if err != nil {
		return // who does not know the words is not served
	}
	defer context.AfterFunc(p.ctx, func() { _ = client.Close() })()
	name, port, err := readTarget(client)
	if err != nil {
		return
	}
	target := net.JoinHostPort(name, port)
	server, err := p.dial(kind, name, target)
	p.note(target, err)
	if err != nil {
		_ = answer(client, replyFor(err)) // the client is told, if it is still there
		return
	}
	defer server.Close()
	defer context.AfterFunc(p.ctx, func() { _ = server.Close() })()
	if answer(client, replyDone) != nil || client.SetDeadline(time.Time{}) != nil {
		return
	}
	join(client, server)
}

// dial connects. The check is made with the very address of each attempt.
func (p *pass) dial(kind, name, target string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(p.ctx, connectTimeout)
	defer cancel()
	if kind == forHTTP {
		proxy, err := proxyFor(target)
		if err != nil {
			return nil, err
		}
		if proxy != nil {
			return p.dialThrough(ctx, proxy, name, target)
		}
	}
	d := net.Dialer{KeepAlive: 30 * time.Second, ControlContext: func(ctx context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %w", errForbidden, err)
		}
		if failpoint.Off("connection-is-checked") {
			return nil
		}
		return p.permits(ctx, name, at)
	}}
	return d.DialContext(ctx, "tcp", target)
}

// note remembers how a connection went.
func (p *pass) note(target string, err error) {
	p.mu.Lock()
	if p.failed[target] = err; err == nil {
		delete(p.failed, target)
	}
	p.mu.Unlock()
	if errors.Is(err, errForbidden) && p != p.gate.shared {
		p.forbid(fmt.Errorf("connect to %s: %w", target, err))
	}
}

// forbidden is what the remote was not allowed, if anything.
func (p *pass) forbidden() error {
	if p.doom.Err() == nil {
		return nil
	}
	return context.Cause(p.doom)
}

// bound gives a context that ends with ctx and when a connection is forbidden.
func (p *pass) bound(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(p.doom, cancel)
	return ctx, func() { unhook(); cancel() }
}

// halfClosed is how long one direction may go on when the other has ended.
const halfClosed = time.Minute

// join carries bytes both ways until both have ended.
func join(a, b net.Conn) {
	var both sync.WaitGroup
	both.Go(func() { carry(a, b) })
	both.Go(func() { carry(b, a) })
	both.Wait()
}

func carry(from, to net.Conn) {
	_, err := to.(*net.TCPConn).ReadFrom(from) // the kernel moves the bytes where it can
	if err != nil {
		_ = from.Close()
		_ = to.Close()
		return
	}
	if to.(*net.TCPConn).CloseWrite() != nil || to.SetReadDeadline(time.Now().Add(halfClosed)) != nil {
		_ = to.Close()
	}
}
