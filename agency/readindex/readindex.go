// Package readindex answers linearizable reads without a log entry (Raft thesis, 6.4).
//
// A read takes the leader's commit index, has a majority confirm the leader's term, and waits
// until the tree has everything up to that index. All reads that wait share one confirmation.
//
// Raft's own VerifyLeader is not enough. It counts an answer that arrives after the question,
// also when the answer belongs to a heartbeat that was sent long before: a leader whose process
// was paused finds such answers in its socket buffers. And its future may stay without an answer
// when Raft stops. So VerifyLeader only triggers heartbeats here, and what counts is a call that
// was sent after the read began (Acks).
package readindex

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"stasis/agency/fence"
	"stasis/agency/leadership"
	"stasis/agency/outcome"
	"stasis/fsm"
)

// Raft is what a Reader needs of Raft.
type Raft interface {
	CommitIndex() uint64
	VerifyLeader() raft.Future
}

// Leader tells whether this agent leads.
type Leader interface {
	Serving(ctx context.Context) (*leadership.Leadership, error)
}

// Options say what is read.
type Options struct {
	Leader Leader
	Acks   *Acks
	Fence  *fence.Fence
	// Tree is the tree as this agent has applied it, the index of Raft's log up to which it
	// has, and a channel that is closed when either has changed.
	Tree func() (state *fsm.State, applied uint64, changed <-chan struct{})
	// Others are the voters beside this agent, and how many of them make a majority with it.
	Others func() (ids []raft.ServerID, need int)
	// Limit is how long a confirmation may take.
	Limit time.Duration
}

// Reader reads the tree. Its methods may be called from any goroutine.
type Reader struct {
	options Options
	raft    Raft
	running context.Context
	batches *batches
}

// New makes a Reader that works while Run does. running is the life of the agent.
func New(running context.Context, r Raft, o Options) *Reader {
	return &Reader{options: o, raft: r, running: running, batches: newBatches()}
}

// Run confirms what readers wait for until the agent ends.
func (r *Reader) Run() { r.batches.run(r.running, r.confirm) }

// Read gives a state that has every transaction which was acknowledged anywhere before the call,
// and the leadership that vouches for it. The error is ErrNotLeader if this agent is not known
// to lead, ErrClosed if it is stopping.
func (r *Reader) Read(ctx context.Context) (*fsm.State, *leadership.Leadership, error) {
	if r.running.Err() != nil {
		return nil, nil, outcome.ErrClosed
	}
	c := r.batches.join()
	select {
	case <-r.options.Fence.Raised(): // the confirmation may wait for Raft's loop
		return nil, nil, fmt.Errorf("%w: %w", outcome.ErrNotLeader, fence.ErrDiskHangs)
	case <-c.done:
		return c.state, c.by, c.err
	case <-r.running.Done():
		return nil, nil, outcome.ErrClosed
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("%w: leadership not confirmed: %w", outcome.ErrNotLeader, context.Cause(ctx))
	}
}

// confirm makes sure that this agent leads and that its tree is as new as any was when confirm
// was called. Every entry that an earlier leader acknowledged is in this leader's log and was
// applied before its leadership served. Every entry that this leader acknowledged was applied
// here first. No later leader can have acknowledged any, because a majority has accepted this
// leader's term in a call that was sent after confirm began.
func (r *Reader) confirm() (*fsm.State, *leadership.Leadership, error) {
	ctx, cancel := context.WithTimeoutCause(r.running, r.options.Limit, outcome.ErrTimeout)
	defer cancel()
	l, err := r.options.Leader.Serving(ctx)
	if err != nil {
		return nil, nil, err
	}
	committed := r.raft.CommitIndex()
	if err := r.majority(ctx, l); err != nil {
		return nil, nil, err
	}
	for {
		state, applied, changed := r.options.Tree()
		if applied >= committed {
			return state, l, nil
		}
		if err := until(ctx, l, changed); err != nil {
			return nil, nil, err
		}
	}
}

// majority waits until a majority has accepted this leader in calls that are sent from now on.
func (r *Reader) majority(ctx context.Context, l *leadership.Leadership) error {
	mark := r.options.Acks.Mark()
	others, need := r.options.Others()
	if need > 0 {
		r.raft.VerifyLeader() // it triggers heartbeats; its future is not waited for, see above
	}
	for {
		n, changed := r.options.Acks.since(mark, l.Term, others)
		if n >= need {
			if !l.Lasts() {
				return outcome.ErrNotLeader
			}
			return nil
		}
		if err := until(ctx, l, changed); err != nil {
			return err
		}
	}
}

// until waits for changed as long as the leadership lasts.
func until(ctx context.Context, l *leadership.Leadership, changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-l.Lost():
		return outcome.ErrNotLeader
	case <-ctx.Done():
		return fmt.Errorf("%w: no majority confirms it: %w", outcome.ErrNotLeader, context.Cause(ctx))
	}
}
