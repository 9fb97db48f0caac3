package budget

import (
	"context"
	"sync"

	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// Class selects the pool of a request.
type Class int

// The classes.
const (
	Client Class = iota // of clients, or on behalf of one
	Peer                // what servers need of each other to go on
)

const (
	// SmallBytes is the most that a small request of a client holds. internal/network allows
	// one connection for every 128 KiB of a budget. All connections together therefore hold
	// at most 12.5 % of it in small requests of HTTP/1.1, which is less than their pool has:
	// slow requests, however many, keep no other small one out.
	SmallBytes = 16 << 10
	// requestBytes is the least that a request holds, beside its header: goroutine, buffers.
	requestBytes = 8 << 10
)

// pool is a share of a budget.
type pool struct {
	name    string
	size    int64
	held    int64
	most    int64 // that was ever held
	refused uint64
}

func (p *pool) add(n int64) {
	p.held += n
	p.most = max(p.most, p.held)
}

// Budget has the bytes of one process, or of one server in it. Its methods may be called
// from any goroutine.
type Budget struct {
	mu    sync.Mutex
	small pool
	large pool
	peers pool
}

// New makes a budget of that many bytes: 60 % for large requests of clients, 15 % for small
// ones, 25 % for peers.
func New(bytes int64) *Budget {
	small, peers := bytes*15/100, bytes*25/100
	return &Budget{
		small: pool{name: "small requests", size: small},
		large: pool{name: "large requests", size: bytes - small - peers},
		peers: pool{name: "requests of other servers", size: peers},
	}
}

// Use says what is held of a pool.
type Use struct {
	Pool    string // "small", "large" or "peers"
	Size    int64  // bytes
	Held    int64  // bytes
	Most    int64  // bytes that were held at some time
	Refused uint64 // requests for bytes that were refused
}

// Read returns the use of the three pools.
func (b *Budget) Read() []Use {
	b.mu.Lock()
	defer b.mu.Unlock()
	use := func(name string, p *pool) Use {
		return Use{Pool: name, Size: p.size, Held: p.held, Most: p.most, Refused: p.refused}
	}
	return []Use{use("small", &b.small), use("large", &b.large), use("peers", &b.peers)}
}

// Size is how many bytes there are in all pools.
func (b *Budget) Size() int64 { return b.small.size + b.large.size + b.peers.size }

// Largest is what a single request of a client can hold at most.
func (b *Budget) Largest() int64 { return b.large.size }

// Open makes an account that holds nothing.
func (b *Budget) Open(c Class) *Account {
	a := &Account{budget: b, class: c, from: &b.small}
	if c == Peer {
		a.from = &b.peers
	}
	return a
}

// OpenLarge makes an account that takes from the pool for large requests of its class from
// the first byte. It is for requests whose number nothing else bounds: further requests of
// one connection, and work that goes on after its request.
func (b *Budget) OpenLarge(c Class) *Account {
	a := b.Open(c)
	if c == Client {
		a.from = &b.large
	}
	return a
}

// Account has the bytes that one request holds. A nil account takes everything and counts
// nothing, so that its users need no check. Its methods may be called from any goroutine.
type Account struct {
	budget *Budget
	class  Class
	from   *pool
	held   int64
	closed bool
}

// Take takes n more bytes, or none. It returns [apierror.ResourceLimit] if they are not free
// now, and [apierror.EntityTooLarge] if the pool could never give them.
func (a *Account) Take(n int64) error {
	if a == nil || n <= 0 {
		return nil
	}
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	from, want := a.from, n
	if from == &b.small && a.held+n > SmallBytes {
		from, want = &b.large, a.held+n
	}
	switch {
	case a.closed:
		return nil
	case a.class == Peer && a.held+n > from.size/2 && from.held-a.held <= from.size/2:
		// A document that one server has accepted must reach the others, however small their
		// budget is: one large request at a time is admitted, whatever its size.
	case a.class == Client && a.held+n > from.size:
		from.refused++
		return never(from)
	case from.held+want > from.size && !failpoint.Off("budget-refuses"):
		from.refused++
		return Refusal("the memory for %s is in use: %d of %d bytes, and this one needs %d more; try again later", from.name, from.held, from.size, want)
	}
	a.move(from, n)
	return nil
}

func never(p *pool) error {
	return apierror.New(apierror.EntityTooLarge, "the request needs more than the %d bytes of memory that this server has for %s: send it in smaller parts", p.size, p.name)
}

// fits returns apierror.EntityTooLarge if the pool could not give n bytes even if it were
// empty.
func (a *Account) fits(n int64) error {
	if a == nil || a.class == Peer || n <= a.budget.large.size {
		return nil
	}
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	a.budget.large.refused++
	return never(&a.budget.large)
}

// Owe counts n bytes that are held already and cannot be refused, such as the answer to a
// write that has been applied. The pool may then have given out more than its size. It
// refuses others until that is over.
func (a *Account) Owe(n int64) {
	if a == nil || n <= 0 {
		return
	}
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	from := a.from
	if from == &b.small && a.held+n > SmallBytes {
		from = &b.large
	}
	if !a.closed {
		a.move(from, n)
	}
}

// move makes the account one of pool to, with n bytes more. Its caller holds mu.
func (a *Account) move(to *pool, n int64) {
	if a.from != to {
		a.from.held -= a.held
		to.add(a.held)
		a.from = to
	}
	to.add(n)
	a.held += n
}

// Give gives n bytes back.
func (a *Account) Give(n int64) {
	if a == nil || n <= 0 {
		return
	}
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	n = min(n, a.held)
	a.held -= n
	a.from.held -= n
}

// Held is how many bytes the account has.
func (a *Account) Held() int64 {
	if a == nil {
		return 0
	}
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	return a.held
}

// Close gives everything back. After that the account takes everything and counts nothing:
// work that goes on after its request has an account of its own, or holds little. A second
// Close does nothing.
func (a *Account) Close() {
	if a == nil {
		return
	}
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	a.from.held -= a.held
	a.held, a.closed = 0, true
}

// Sibling returns a new account of the same budget and class, for work that outlives the
// request. It takes from the pool for large requests, because no connection bounds the
// number of such accounts. Its owner closes it.
func (a *Account) Sibling() *Account {
	if a == nil {
		return nil
	}
	return a.budget.OpenLarge(a.class)
}

// Peer says whether the account is one of a request between servers.
func (a *Account) Peer() bool { return a != nil && a.class == Peer }

// Begin takes what every request holds, and the bytes of its header.
func (a *Account) Begin(header int64) error { return a.Take(requestBytes + header) }

// Refusal is the error for work that a server has no room for now: 503, nothing was done.
func Refusal(format string, args ...any) error {
	return apierror.New(apierror.ResourceLimit, format, args...).WithStatus(503)
}

type accountKey struct{}

// With returns ctx with the account of its request.
func With(ctx context.Context, a *Account) context.Context {
	return context.WithValue(ctx, accountKey{}, a)
}

// Of returns the account of the request that ctx belongs to; nil if there is none.
func Of(ctx context.Context) *Account {
	a, _ := ctx.Value(accountKey{}).(*Account)
	return a
}
