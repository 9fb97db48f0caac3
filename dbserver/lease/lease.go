package lease

import (
	"context"
	"fmt"
	"sync"
	"time"

	"stasis/internal/apierror"
)

// Lease is one server's serving lease. Its methods may be used from any goroutine.
type Lease struct {
	clock Clock

	mu       sync.Mutex
	from     moment        // when the heartbeat was sent that the lease comes from
	length   time.Duration // 0: there is no lease
	followed uint64        // index of the agency's tree up to which Plan has been followed
	news     chan struct{} // closed when followed rises; nil while no goroutine waits
}

// New is a lease that has not been taken yet.
func New(c Clock) *Lease { return &Lease{clock: c.withDefaults()} }

// Followed notes that the leaders here know Plan as it was at an index.
func (l *Lease) Followed(index uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.followed = index
	if l.news != nil {
		close(l.news)
		l.news = nil
	}
}

// awaitFollowed waits until Plan has been followed up to an index.
func (l *Lease) awaitFollowed(ctx context.Context, index uint64) error {
	for {
		l.mu.Lock()
		if l.followed >= index {
			l.mu.Unlock()
			return nil
		}
		if l.news == nil {
			l.news = make(chan struct{})
		}
		news := l.news
		l.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("wait until Plan is followed: %w", context.Cause(ctx))
		}
	}
}

// Check is nil while the lease lasts; afterwards it is [apierror.NoLeader].
func (l *Lease) Check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	age, parted := l.clock.now().since(l.from)
	if parted {
		l.length = 0
	}
	if age < l.length {
		return nil
	}
	return apierror.New(apierror.NoLeader, "this server has had no answer from the agency for too long to lead anything")
}

// giveUp ends the lease now. It is taken again like one that has ended by itself.
func (l *Lease) giveUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.length = 0
}

// extend takes or renews the lease by an answer to a heartbeat that was sent then. If the two
// times of the clock have parted since, the answer is worth nothing.
func (l *Lease) extend(sent moment, length time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, parted := l.clock.now().since(sent); parted {
		return
	}
	// Answers may be handled out of order: an older one must not shorten the lease.
	if l.length == 0 || sent.elapsed+length > l.from.elapsed+l.length {
		l.from, l.length = sent, length
	}
}
