package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"stasis/fsm"
	"stasis/internal/failpoint"
)

// pollTimeout is how long a poll waits for a change. Together with the timeout of one attempt it bounds
// how long a hung leader can hold the cache while nothing else in the process talks to the agency.
const pollTimeout = 2 * time.Second

// Snapshot is the whole tree as of an index. It never changes.
type Snapshot struct {
	Index uint64
	Root  *Node // Root.At(keys.Plan)…; nil before the first answer of the agency
}

// Cache is a copy of the agency's tree that follows its log. Its index only ever
// rises, whichever agent it talks to. Run fills it; everything else may be called
// from any goroutine, before, during and after Run.
type Cache struct {
	client *Client
	log    hclog.Logger
	now    atomic.Pointer[published]
	kick   chan struct{} // a confirmation waits for the goroutine that confirms
	ended  chan struct{} // closed when Run returns

	mu   sync.Mutex
	next *confirmation // of the Sync calls that begin together; nil if none wait
}

// published is a snapshot, and the news of its successor.
type published struct {
	Snapshot
	loaded   bool          // an agent has answered: Root is a real tree
	replaced chan struct{} // closed once there is a newer one
}

// NewCache makes an empty cache. Nothing happens before Run.
func NewCache(c *Client, logger hclog.Logger) *Cache {
	if logger == nil {
		logger = hclog.NewNullLogger()
	}
	k := &Cache{client: c, log: logger, kick: make(chan struct{}, 1), ended: make(chan struct{})}
	k.now.Store(&published{replaced: make(chan struct{})})
	return k
}

// Run keeps the cache up to date until ctx ends, and then returns nil. No error of the agency ends it.
// Call it once.
func (k *Cache) Run(ctx context.Context) error {
	defer close(k.ended)
	var confirming sync.WaitGroup
	defer confirming.Wait()
	confirming.Go(func() { k.confirm(ctx) })
	k.follow(ctx)
	return nil
}

// Snapshot is the newest tree known here. It costs nothing.
func (k *Cache) Snapshot() Snapshot { return k.now.Load().Snapshot }

// Changed gives a channel that is closed as soon as the index is above after.
func (k *Cache) Changed(after uint64) <-chan struct{} {
	v := k.now.Load()
	if v.Index > after {
		done := make(chan struct{})
		close(done)
		return done
	}
	return v.replaced
}

// Wait gives the first snapshot from now on for which ok holds. It wakes with
// every change, but a burst of changes may show only its last tree. The error is
// the context's, or [ErrUnavailable] after Run has ended.
func (k *Cache) Wait(ctx context.Context, ok func(Snapshot) bool) (Snapshot, error) {
	for {
		v := k.now.Load()
		if ok(v.Snapshot) {
			return v.Snapshot, nil
		}
		select {
		case <-v.replaced:
		case <-ctx.Done():
			return v.Snapshot, fmt.Errorf("waiting for the agency at index %d: %w", v.Index, context.Cause(ctx))
		case <-k.ended:
			return v.Snapshot, fmt.Errorf("waiting for the agency at index %d: %w", v.Index, errStopped)
		}
	}
}

var errStopped = fmt.Errorf("%w: the watch has stopped", ErrUnavailable)

// follow polls, and takes the answers that continue the tree.
func (k *Cache) follow(ctx context.Context) {
	pauses := newBackoff()
	whole := true // ask for the whole tree, not for the log
	situation := fit
	for ctx.Err() == nil {
		index := uint64(0)
		if !whole {
			index = k.Snapshot().Index + 1
		}
		result, err := k.client.Poll(ctx, index, pollTimeout)
		_ = failpoint.Hit(ctx, "agency/client/cache", "")
		if ctx.Err() != nil {
			return
		}
		was := situation
		if situation = misfit; err == nil {
			situation = k.take(result)
		}
		k.report(was, situation, result, err)
		whole = situation == gap || !k.now.Load().loaded
		if situation == fit {
			pauses = newBackoff()
		} else if pauses.wait(ctx) != nil {
			return
		}
	}
}

// fitness is how an answer of poll relates to the tree at hand.
type fitness int

const (
	fit    fitness = iota // taken, or nothing new
	gap                   // the log does not continue the tree: the whole tree is needed
	behind                // the agent knows less than this cache
	misfit                // no proper answer
)

// take brings the tree forward by what an agent answered, or leaves it alone.
func (k *Cache) take(r PollResult) fitness {
	v := k.now.Load()
	if r.ReadDB.Exists() {
		return k.takeWhole(v, r)
	}
	root, index := v.Root, v.Index
	for _, e := range r.Log {
		if e.Index <= index {
			continue
		}
		if e.Index != index+1 || !v.loaded {
			return gap
		}
		if root, index = fsm.Replay(root, e), e.Index; !root.Exists() {
			return gap
		}
	}
	switch {
	case index > v.Index:
		k.publish(v, Snapshot{Index: index, Root: root})
		return fit
	case r.CommitIndex > index:
		return gap
	case r.CommitIndex < index:
		return behind
	}
	return fit
}

// takeWhole refuses an older tree, and an empty one in place of a filled one.
func (k *Cache) takeWhole(v *published, r PollResult) fitness {
	switch {
	case !v.loaded:
	case r.CommitIndex < v.Index && !failpoint.Off("cache-never-goes-back"), r.ReadDB.Len() == 0 && v.Root.Len() > 0:
		return behind
	case r.CommitIndex == v.Index:
		return fit
	}
	k.publish(v, Snapshot{Index: r.CommitIndex, Root: r.ReadDB})
	return fit
}

// publish is called by the one goroutine that follows, so v is still the newest.
func (k *Cache) publish(v *published, s Snapshot) {
	k.now.Store(&published{Snapshot: s, loaded: true, replaced: make(chan struct{})})
	close(v.replaced)
}

// report logs changes of the situation, and nothing while it lasts.
func (k *Cache) report(was, is fitness, r PollResult, err error) {
	if was == is {
		return
	}
	switch is {
	case fit:
		k.log.Info("following the agency again", "index", k.Snapshot().Index)
	case gap:
		k.log.Info("the agency's log does not reach back, reading the whole tree", "index", k.Snapshot().Index, "agency", r.CommitIndex)
	case behind:
		k.log.Warn("the agent knows less than this server, keeping what is known", "index", k.Snapshot().Index, "agent", r.CommitIndex)
	case misfit:
		k.log.Warn("cannot follow the agency", "error", err)
	}
}

// confirmation is one confirmed read of the agency, shared by all Sync calls that began before
// it did.
type confirmation struct {
	done  chan struct{}
	index uint64
	err   error
}

// Sync gives a snapshot at least as new as a linearizable read begun at the call.
// Concurrent callers share the reads.
func (k *Cache) Sync(ctx context.Context) (Snapshot, error) {
	r := k.join()
	select {
	case <-r.done:
	case <-ctx.Done():
		return Snapshot{}, fmt.Errorf("confirming the index: %w: %w", ErrUnavailable, context.Cause(ctx))
	case <-k.ended:
		return Snapshot{}, errStopped
	}
	if r.err != nil {
		return Snapshot{}, fmt.Errorf("confirming the index: %w", r.err)
	}
	return k.Wait(ctx, func(s Snapshot) bool { return s.Index >= r.index })
}

// join enters the confirmation that has not begun yet.
func (k *Cache) join() *confirmation {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.next == nil {
		k.next = &confirmation{done: make(chan struct{})}
		k.kick <- struct{}{} // has room: one token for each confirmation
	}
	return k.next
}

// begin takes the confirmation that waits. A Sync that is called from now on enters another: this
// one may be older than the call.
func (k *Cache) begin() *confirmation {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.next
	k.next = nil
	return r
}

// confirm makes the confirmations, one after the other.
func (k *Cache) confirm(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.kick:
		}
		r := k.begin()
		r.index, r.err = k.client.confirmedIndex(ctx)
		if errors.Is(r.err, ctx.Err()) && ctx.Err() != nil {
			r.err = errStopped
		}
		close(r.done)
	}
}
