// Package leadership keeps what an agent does while Raft says that it leads.
//
// A Leadership is the time in one Raft term during which the agent leads. Whatever only a leader
// may do runs under its context, which ends when the leadership does. It serves after a barrier:
// an entry of its own term is applied, and with it everything that earlier leaders committed.
// Two leaderships of one agent never overlap: the next one begins to serve when the goroutines
// of the one before have ended.
package leadership

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"stasis/agency/outcome"
	"stasis/event"
	"stasis/internal/wait"
)

// Leadership is one time of leadership. Its methods may be called from any goroutine.
type Leadership struct {
	Term      uint64 // of Raft
	Transient *Transient

	ctx   context.Context
	end   context.CancelFunc
	ready chan struct{} // closed when it serves
	ended chan struct{} // closed when nothing runs under it any more
}

// Context ends with the leadership, or with the agent.
func (l *Leadership) Context() context.Context { return l.ctx }

// Lost is closed when the leadership has ended.
func (l *Leadership) Lost() <-chan struct{} { return l.ctx.Done() }

// Lasts tells whether the leadership has not ended yet.
func (l *Leadership) Lasts() bool { return l.ctx.Err() == nil }

// Serves tells whether the leadership has passed its barrier.
func (l *Leadership) Serves() bool {
	select {
	case <-l.ready:
		return true
	default:
		return false
	}
}

// Raft is what a Keeper needs of Raft.
type Raft interface {
	State() raft.RaftState
	CurrentTerm() uint64
	Barrier(timeout time.Duration) raft.Future
}

// Options say what a leader does.
type Options struct {
	ID string // of the agent
	// Duties runs while a leadership serves, and returns when its context ends.
	Duties func(*Leadership)
	// Reached is told of the barrier: up to its index everything is applied.
	Reached func(index uint64)
	// Steps receives that the agent leads, and that it leads no more.
	Steps event.Sink
	// TransientBytes bounds the transient tree.
	TransientBytes int64
	// Now is the agent's time in milliseconds, by which the transient tree's entries expire as those of the other tree do.
	Now func() int64
	// Pause is between two tries of the barrier.
	Pause  time.Duration
	Logger hclog.Logger
}

// Keeper begins and ends an agent's leaderships. Begin and End have one caller at a time; the
// other methods may be called from any goroutine.
type Keeper struct {
	options Options
	raft    Raft
	running context.Context

	current atomic.Pointer[Leadership]
	last    <-chan struct{} // ended of the newest leadership
	holders sync.WaitGroup
}

// New makes a Keeper without a leadership. All leaderships end with running.
func New(running context.Context, r Raft, o Options) *Keeper {
	none := make(chan struct{})
	close(none)
	return &Keeper{options: o, raft: r, running: running, last: none}
}

// Begin begins a leadership of Raft's present term.
func (k *Keeper) Begin() {
	l := &Leadership{Term: k.raft.CurrentTerm(), Transient: newTransient(k.options.TransientBytes, k.options.Now), ready: make(chan struct{}), ended: make(chan struct{})}
	l.ctx, l.end = context.WithCancel(k.running)
	k.current.Store(l)
	before := k.last
	k.last = l.ended
	k.holders.Go(func() { k.hold(l, before) })
}

// End ends the present leadership, if there is one. It does not wait for its goroutines.
func (k *Keeper) End() {
	if l := k.current.Swap(nil); l != nil {
		l.end()
	}
}

// Current is the present leadership, nil if there is none. It need not serve yet.
func (k *Keeper) Current() *Leadership { return k.current.Load() }

// Leads tells whether the agent serves as leader now. It is a hint: only a read confirms it.
func (k *Keeper) Leads() bool {
	l := k.current.Load()
	return l != nil && k.raft.State() == raft.Leader && l.Lasts() && l.Serves()
}

// Serving waits until the present leadership serves. The error is ErrNotLeader, or ErrClosed if
// the agent is stopping.
func (k *Keeper) Serving(ctx context.Context) (*Leadership, error) {
	if k.running.Err() != nil {
		return nil, outcome.ErrClosed
	}
	l := k.current.Load()
	if l == nil || k.raft.State() != raft.Leader {
		return nil, outcome.ErrNotLeader
	}
	select {
	case <-l.ready:
		return l, nil
	case <-l.Lost():
		return nil, outcome.ErrNotLeader
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: not yet serving: %w", outcome.ErrNotLeader, context.Cause(ctx))
	}
}

// Rest returns when the present leadership, if there is one, has no goroutine any more.
func (k *Keeper) Rest() {
	if l := k.current.Load(); l != nil {
		<-l.ended
	}
}

// Wait returns when no leadership has a goroutine any more.
func (k *Keeper) Wait() { k.holders.Wait() }

// hold passes the barrier and does a leader's duties, after the leadership before has ended.
func (k *Keeper) hold(l *Leadership, before <-chan struct{}) {
	defer close(l.ended)
	defer l.end()
	<-before
	if err := k.barrier(l); err != nil {
		k.options.Logger.Info("leadership ended before it could be used", "term", l.Term, "reason", err)
		return
	}
	k.emit(l, event.AgentLeads)
	close(l.ready)
	k.options.Logger.Info("serving as leader", "term", l.Term)
	k.options.Duties(l)
	k.emit(l, event.AgentLeadsNoMore)
}

func (k *Keeper) emit(l *Leadership, step event.Name) {
	k.options.Steps.Emit(l.ctx, event.Event{Operation: event.Agency, ID: k.options.ID, Server: k.options.ID, Step: step, Term: l.Term})
}

// barrier waits until an entry of this term is applied.
func (k *Keeper) barrier(l *Leadership) error {
	for {
		future := k.raft.Barrier(0)
		err := future.Error()
		if err == nil {
			if f, ok := future.(raft.IndexFuture); ok {
				k.options.Reached(f.Index())
			}
			return l.ctx.Err()
		}
		if !errors.Is(err, raft.ErrLeadershipTransferInProgress) || !l.Lasts() {
			return err
		}
		if wait.For(l.ctx, k.options.Pause) != nil {
			continue // the next try says why
		}
	}
}
