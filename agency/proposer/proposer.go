// Package proposer brings transactions into Raft's log and to their outcome.
//
// Few entries are in flight at a time, and what arrives meanwhile shares the next one (group
// commit). An envelope that finds nothing in flight is proposed at once. Every envelope ends in
// one of the ways of package outcome; an outcome that is unknown is never reported as not
// applied.
package proposer

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"stasis/agency/fence"
	"stasis/agency/leadership"
	"stasis/agency/outcome"
	"stasis/agency/quota"
	"stasis/agency/raftcall"
	"stasis/agency/tree"
	"stasis/fsm"
	"stasis/internal/budget"
)

// MostWaiting bounds in bytes what is queued when a transaction comes that does not wait for
// its outcome: nothing else keeps its client from sending more.
const MostWaiting = 4 << 20

// Envelope is what one request proposes. It becomes a part of one entry and is never divided.
type Envelope struct {
	Transactions []fsm.Transaction
	Bytes        int  // of the request
	Once         bool // its client ids are its own: none of them is applied twice
}

// Raft is what a Proposer needs of Raft.
type Raft interface {
	Apply(entry []byte, timeout time.Duration) raft.ApplyFuture
}

// Leader tells whether this agent leads.
type Leader interface {
	Serving(ctx context.Context) (*leadership.Leadership, error)
}

// Options say whose log it is.
type Options struct {
	Leader Leader
	Fence  *fence.Fence
	// Limit is how long Propose waits for a commit.
	Limit time.Duration
	// Inquire is the index at which the tree has a client id, 0 if it has not.
	Inquire func(id string) uint64
	// Encoded tells the state machine of an entry that was encoded here, until forget.
	Encoded func(entry []byte, c fsm.Command) (forget func())
	// Now is the time that a command gets, in milliseconds.
	Now func() int64
	// Roomy tells whether the tree is far below its quota, also with so many bytes more.
	Roomy func(more int64) bool
}

// Proposer proposes. Its methods may be called from any goroutine.
type Proposer struct {
	options Options
	raft    Raft
	queue   *queue
}

// New makes a Proposer that works while Run does.
func New(r Raft, o Options) *Proposer {
	return &Proposer{options: o, raft: r, queue: newQueue(func(id string) bool { return o.Inquire(id) != 0 })}
}

// Run proposes until ctx ends. Then it drops what is queued, and waits for what is in flight.
func (p *Proposer) Run(ctx context.Context) { p.queue.run(ctx, p.hand) }

// Propose replicates and applies an envelope, and waits for its outcome: the state before its
// first transaction, and the outcome of each. The error is one of package outcome.
func (p *Proposer) Propose(ctx context.Context, e Envelope) (tree.Applied, error) {
	l, err := p.options.Leader.Serving(ctx)
	if err != nil {
		return tree.Applied{}, err
	}
	w := newProposal(e.Transactions, e.Bytes)
	if e.Once {
		w.once = clientIDs(e.Transactions)
	}
	w.lost = l.Lost()
	p.queue.enter(w)
	timer := time.NewTimer(p.options.Limit)
	defer timer.Stop()
	var reason error
	select {
	case <-w.done:
		return w.result, w.err
	case <-timer.C:
		reason = fmt.Errorf("no commit within %s", p.options.Limit)
	case <-ctx.Done():
		reason = context.Cause(ctx)
	case <-p.options.Fence.Raised():
		return p.abandon(w)
	}
	if p.queue.withdraw(w) {
		return tree.Applied{}, fmt.Errorf("%w: given up before it was proposed: %w", outcome.ErrTimeout, reason)
	}
	return tree.Applied{}, fmt.Errorf("%w: %w: %w", outcome.ErrUnknown, outcome.ErrTimeout, reason)
}

// abandon gives the outcome of an envelope while the disk hangs. Raft may have the envelope and
// append it later: no caller waits for that.
func (p *Proposer) abandon(w *proposal) (tree.Applied, error) {
	select {
	case <-w.done:
		return w.result, w.err
	default:
	}
	if p.queue.withdraw(w) {
		return tree.Applied{}, fmt.Errorf("%w: %w", outcome.ErrNotLeader, fence.ErrDiskHangs)
	}
	return tree.Applied{}, fmt.Errorf("%w: %w", outcome.ErrUnknown, fence.ErrDiskHangs)
}

// Queue takes an envelope without waiting for its outcome. The error says why it was not taken.
func (p *Proposer) Queue(ctx context.Context, e Envelope) error {
	if _, err := p.options.Leader.Serving(ctx); err != nil {
		return err
	}
	if waiting := p.Waiting(); waiting > MostWaiting {
		return budget.Refusal("%d bytes of transactions wait to be proposed, more that do not wait for an outcome are not taken: try again later", waiting)
	}
	if len(e.Transactions) > 0 {
		p.queue.enter(newProposal(e.Transactions, e.Bytes))
	}
	return nil
}

// Waiting is how many bytes of requests are queued.
func (p *Proposer) Waiting() int { return p.queue.waiting() }

// Ongoing tells whether a transaction with one of the client ids has no outcome yet.
func (p *Proposer) Ongoing(ids []string) bool { return len(p.queue.pending(ids)) > 0 }

// AwaitOutcomes waits until every transaction that was asked for before the call, and carries one of
// the client ids, has its outcome.
func (p *Proposer) AwaitOutcomes(ctx context.Context, ids []string) error {
	ctx, cancel := context.WithTimeout(ctx, p.options.Limit)
	defer cancel()
	for _, w := range p.queue.pending(ids) {
		select {
		case <-w.done:
		case <-p.options.Fence.Raised():
			return fmt.Errorf("%w: %w", outcome.ErrNotLeader, fence.ErrDiskHangs)
		case <-ctx.Done():
			return fmt.Errorf("%w: %w: a transaction is still on its way", outcome.ErrUnknown, outcome.ErrTimeout)
		}
	}
	return nil
}

// hand gives a command to Raft. Its outcome comes as late as Raft's: when the entry is applied,
// or when leadership is lost, which a leader without a majority does within its lease.
func (p *Proposer) hand(command fsm.Command) func() (tree.Applied, error) {
	// First what is in flight, then the tree: what is applied in between counts twice.
	if p.options.Roomy(p.queue.adds()) {
		// No limit can matter, and agents of earlier versions can read an entry without limits.
		command.Transactions = quota.Unlimited(command.Transactions)
	}
	command.Time = p.options.Now()
	entry := command.Encode()
	forget := p.options.Encoded(entry, command)
	future := p.raft.Apply(entry, 0)
	return func() (tree.Applied, error) {
		defer forget()
		if err := future.Error(); err != nil {
			return tree.Applied{}, raftcall.Outcome(err)
		}
		switch r := future.Response().(type) {
		case tree.Applied:
			return r, nil
		case error:
			return tree.Applied{}, fmt.Errorf("%w: %w", outcome.ErrUnknown, r)
		default:
			return tree.Applied{}, fmt.Errorf("%w: unexpected answer %T of the state machine", outcome.ErrUnknown, r)
		}
	}
}
