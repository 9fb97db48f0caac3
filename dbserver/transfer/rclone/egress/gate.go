package egress

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/rclone/rclone/fs/fshttp"
)

// gate is the SOCKS proxy through which the connections of remotes pass.
type gate struct {
	listener net.Listener
	ctx      context.Context
	stop     context.CancelFunc
	work     sync.WaitGroup
	shared   *Pass // of the one client that rclone shares between remotes: it may do only what every open remote may

	mu     sync.Mutex
	passes map[string]*Pass
}

// Pass is what one remote shows at the gate, and what the gate has refused it. Its methods
// may be called from any goroutine.
type Pass struct {
	gate  *gate
	token string
	hosts Hosts
	ctx   context.Context
	end   context.CancelFunc

	// refused ends when a connection was forbidden. The remote is of no use then, and the
	// end cuts rclone's many ways to try again short. Its cause says what was forbidden.
	refused context.Context
	forbid  context.CancelCauseFunc

	mu     sync.Mutex
	failed map[string]error // host:port → why the last connection there failed
}

// gates is the process's one gate, while anything uses it.
var gates struct {
	mu   sync.Mutex
	open *gate
	used int
}

// NewPass gives a remote its pass, by which the remote may connect to what hosts permits.
// The first pass opens the gate.
func NewPass(h Hosts) (*Pass, error) {
	gates.mu.Lock()
	defer gates.mu.Unlock()
	if gates.open == nil {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("open the gate for the connections of remotes: %w", err)
		}
		g := &gate{listener: l, passes: map[string]*Pass{}}
		g.ctx, g.stop = context.WithCancel(context.Background())
		g.shared = g.pass(Hosts{})
		g.passes[g.shared.token] = g.shared
		g.work.Go(g.accept)
		// The shared client is made now, when there is no other remote that could use it.
		fshttp.ResetTransport()
		fshttp.NewTransport(Settings(context.Background(), g.shared.Proxy(ForHTTP)))
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

func (g *gate) pass(h Hosts) *Pass {
	p := &Pass{gate: g, token: rand.Text(), hosts: h, failed: map[string]error{}}
	p.ctx, p.end = context.WithCancel(g.ctx)
	p.refused, p.forbid = context.WithCancelCause(context.Background())
	return p
}

// Close ends the remote's connections. The last pass closes the gate.
func (p *Pass) Close() {
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

// Proxy is the gate's address for rclone, with the pass's password. The gate connects HTTP
// clients through the proxy that the environment names, if it names one.
func (p *Pass) Proxy(kind string) string {
	return kind + ":" + p.token + "@" + p.gate.listener.Addr().String()
}

// Permits returns nil if the remote may connect to an address that name leads to, and
// otherwise [ErrForbidden]. The shared client may do only what every open remote may.
func (p *Pass) Permits(ctx context.Context, name string, at netip.AddrPort) error {
	if p != p.gate.shared {
		return p.hosts.permits(ctx, name, at)
	}
	p.gate.mu.Lock()
	var all []Hosts
	for _, token := range slices.Sorted(maps.Keys(p.gate.passes)) {
		all = append(all, p.gate.passes[token].hosts)
	}
	p.gate.mu.Unlock()
	for _, h := range all {
		if err := h.permits(ctx, name, at); err != nil {
			return err
		}
	}
	return nil
}

// Reason is why the last connection to host:port failed; nil if it did not.
func (p *Pass) Reason(target string) error {
	for _, at := range []*Pass{p, p.gate.shared} {
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

func (g *gate) find(token string) *Pass {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.passes[token]
}

// serve is one connection of a remote, to its end.
func (g *gate) serve(client net.Conn) {
	defer client.Close()
	defer context.AfterFunc(g.ctx, func() { _ = client.Close() })()
	if client.SetDeadline(time.Now().Add(ConnectTimeout)) != nil {
		return
	}
	kind, token, err := greet(client, func(kind, token string) bool {
		p := g.find(token)
		return p != nil && (p != g.shared || kind == ForHTTP)
	})
	if err != nil {
		return // a client without a pass is not served
	}
	p := g.find(token)
	if p == nil {
		return // closed meanwhile
	}
	defer context.AfterFunc(p.ctx, func() { _ = client.Close() })()
	name, port, err := readTarget(client)
	if err != nil {
		return
	}
	target := net.JoinHostPort(name, port)
	server, err := dial(p.ctx, kind, name, target, p.Permits)
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

// note remembers how a connection went.
func (p *Pass) note(target string, err error) {
	p.mu.Lock()
	if p.failed[target] = err; err == nil {
		delete(p.failed, target)
	}
	p.mu.Unlock()
	if errors.Is(err, ErrForbidden) && p != p.gate.shared {
		p.forbid(fmt.Errorf("connect to %s: %w", target, err))
	}
}

// Forbidden is the connection that the gate refused, as an error; nil if it refused none.
func (p *Pass) Forbidden() error {
	if p.refused.Err() == nil {
		return nil
	}
	return context.Cause(p.refused)
}

// Bound returns a context that ends with ctx and when a connection is forbidden.
func (p *Pass) Bound(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(p.refused, cancel)
	return ctx, func() { unhook(); cancel() }
}
