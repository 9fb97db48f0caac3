package network

import (
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Memory is a network in memory with named hosts, for simulated clusters and
// fault tests. It has no goroutines of its own, only channels and timers, so it
// works inside a testing/synctest bubble (made there), where delays are exact.
//
// Connections behave like TCP's: a stream is never reordered or torn; what the
// network loses is sent again when it heals, unless Drop lost it for good. What
// had arrived before a fault can still be read after it. A closing, too, is a
// message: over a link that is cut the peer does not learn of it.
//
// All methods may be called from any goroutine. A rule may name hosts that do
// not exist yet. The link of a host to itself is cut only by its own name.
type Memory struct {
	mu        sync.Mutex // guards everything below, and all connections
	closed    bool
	hosts     map[string]*host
	links     map[[2]string]*link
	listeners map[string]*memListener // by "host:port"
	pairs     map[*pair]struct{}
	changed   signal // a rule changed
}

// host is one machine; links and connections point at it.
type host struct {
	name     string
	port     int  // the last one chosen
	exists   bool // Host was called for it
	isolated bool
	frozen   bool
}

// link is one direction between two hosts.
type link struct {
	from, to *host
	cut      bool
	delay    time.Duration
	rate     int64     // bytes per second, 0 = unlimited
	busy     time.Time // until then it is sending what was written before
}

func (l *link) up() bool {
	return !l.cut && (l.from == l.to || !l.from.isolated && !l.to.isolated)
}

// arrival books the link for n bytes and says when they will be there.
func (l *link) arrival(now time.Time, n int) time.Time {
	if l.rate > 0 {
		if l.busy.Before(now) {
			l.busy = now
		}
		l.busy = l.busy.Add(time.Duration(float64(n) / float64(l.rate) * float64(time.Second)))
		now = l.busy
	}
	return now.Add(l.delay)
}

// signal wakes everybody who waits; guarded by Memory.mu.
type signal struct{ ch chan struct{} }

func (s *signal) wait() <-chan struct{} {
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) wake() {
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}

// NewMemory makes a network without hosts.
func NewMemory() *Memory {
	return &Memory{
		hosts:     map[string]*host{},
		links:     map[[2]string]*link{},
		listeners: map[string]*memListener{},
		pairs:     map[*pair]struct{}{},
	}
}

// Host is the network as seen by the host of that name. It listens on
// "name:port" only; an empty host, "localhost" and "127.0.0.1" mean itself.
func (m *Memory) Host(name string) Network {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.host(name)
	h.exists = true
	return &memHost{m: m, host: h}
}

// Cut loses everything that is sent by from to to. Reads wait until Heal or
// their deadline; so do attempts to connect, in both directions.
func (m *Memory) Cut(from, to string) { m.change(func() { m.link(from, to).cut = true }) }

// Heal takes Cut back. What was lost meanwhile is sent again now.
func (m *Memory) Heal(from, to string) { m.change(func() { m.link(from, to).cut = false }) }

// Isolate cuts a host off from all others, in both directions.
func (m *Memory) Isolate(name string) { m.change(func() { m.host(name).isolated = true }) }

// Rejoin takes Isolate back; single links that were cut stay so.
func (m *Memory) Rejoin(name string) { m.change(func() { m.host(name).isolated = false }) }

// Freeze stops a host as SIGSTOP stops a process: its reads, writes, accepts and
// dials do not return (but for their deadlines), while its system goes on
// accepting connections and bytes until the buffers are full.
func (m *Memory) Freeze(name string) { m.change(func() { m.host(name).frozen = true }) }

// Thaw takes Freeze back.
func (m *Memory) Thaw(name string) { m.change(func() { m.host(name).frozen = false }) }

// Delay makes whatever is sent from now on arrive d later. 0 takes it back.
func (m *Memory) Delay(from, to string, d time.Duration) {
	m.change(func() { m.link(from, to).delay = d })
}

// Throttle limits the link, shared by all its connections. 0 takes it back.
func (m *Memory) Throttle(from, to string, bytesPerSecond int64) {
	m.change(func() { m.link(from, to).rate = bytesPerSecond })
}

// HealAll takes back every Cut, Isolate, Freeze, Delay and Throttle. What Drop
// and Reset did to connections stays.
func (m *Memory) HealAll() {
	m.change(func() {
		for _, l := range m.links {
			l.cut, l.delay, l.rate = false, 0, 0
		}
		for _, h := range m.hosts {
			h.isolated, h.frozen = false, false
		}
	})
}

// Drop loses for good what from has sent to to over the connections that exist
// now and has not arrived, and all they will carry in that direction. Nobody
// is told; new connections work. Dropping from server to client after a request
// has arrived loses the answer to a call that did happen.
func (m *Memory) Drop(from, to string) {
	m.change(func() {
		for s := range m.streams {
			if s.link.from.name == from && s.link.to.name == to {
				s.lost = true
			}
		}
	})
}

// Reset breaks every connection between two hosts at once; both ends see
// "connection reset by peer". New ones can be made, unless a rule forbids it.
func (m *Memory) Reset(a, b string) {
	m.change(func() {
		for p := range m.pairs {
			from, to := p[0].out.link.from.name, p[0].out.link.to.name
			if from == a && to == b || from == b && to == a {
				m.reset(p)
			}
		}
	})
}

// Close closes all listeners and connections; whoever waits on one returns with
// net.ErrClosed, and so does every later use.
func (m *Memory) Close() error {
	m.change(func() {
		m.closed = true
		clear(m.listeners)
		clear(m.pairs)
	})
	return nil
}

// change applies f to the rules at one moment: what had arrived before stays
// arrived, what was held up by a link that f mends is sent again, and everybody
// who waits looks again.
func (m *Memory) change(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	down := map[*stream]bool{}
	for s := range m.streams {
		s.settle(now)
		down[s] = !s.link.up()
		s.changed.wake()
	}
	for _, l := range m.listeners {
		l.changed.wake()
	}
	f()
	for s := range m.streams {
		if down[s] && s.link.up() {
			s.resend(now)
		}
	}
	m.changed.wake()
}

// streams iterates over every direction of every connection.
func (m *Memory) streams(yield func(*stream) bool) {
	for p := range m.pairs {
		if !yield(p[0].out) || !yield(p[1].out) {
			return
		}
	}
}

func (m *Memory) host(name string) *host {
	h := m.hosts[name]
	if h == nil {
		h = &host{name: name}
		m.hosts[name] = h
	}
	return h
}

func (m *Memory) link(from, to string) *link {
	key := [2]string{from, to}
	l := m.links[key]
	if l == nil {
		l = &link{from: m.host(from), to: m.host(to)}
		m.links[key] = l
	}
	return l
}

// reset breaks one connection.
func (m *Memory) reset(p *pair) {
	for _, c := range p {
		c.out.broken = syscall.ECONNRESET
		c.out.changed.wake()
	}
	delete(m.pairs, p)
}

// block gives up the lock until woken, until the time has come (zero: never), or
// until done is closed (nil: never).
func (m *Memory) block(wake <-chan struct{}, until time.Time, done <-chan struct{}) {
	m.mu.Unlock()
	defer m.mu.Lock()
	var timeUp <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		timeUp = timer.C
	}
	select {
	case <-wake:
	case <-timeUp:
	case <-done:
	}
}

// memAddr is "host:port". It calls itself tcp, as users of net expect.
type memAddr string

func (memAddr) Network() string  { return "tcp" }
func (a memAddr) String() string { return string(a) }

func (h *host) addr(port int) memAddr {
	return memAddr(net.JoinHostPort(h.name, strconv.Itoa(port)))
}
