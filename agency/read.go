package agency

import (
	"context"
	"fmt"
	"sync"

	"github.com/hashicorp/raft"

	"stasis/agency/fence"
	"stasis/agency/outcome"
	"stasis/fsm"
)

// round is one confirmation of leadership, shared by all readers that were
// waiting when it began.
type round struct {
	done  chan struct{} // closed when the fields below are set
	state *fsm.State
	held  *office
	err   error
}

// rounds lets readers share confirmations. A reader may only use a round that
// begins after it has asked, so those that come during one wait for the next.
type rounds struct {
	wake chan struct{}

	mu   sync.Mutex
	next *round
}

func newRounds() *rounds { return &rounds{wake: make(chan struct{}, 1)} }

// join enters the next round.
func (r *rounds) join() *round {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == nil {
		r.next = &round{done: make(chan struct{})}
		select {
		case r.wake <- struct{}{}:
		default: // the loop is already due
		}
	}
	return r.next
}

// begin closes the next round to newcomers.
func (r *rounds) begin() *round {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.next
	r.next = nil
	return next
}

// run confirms round after round until ctx ends.
func (r *rounds) run(ctx context.Context, confirm func() (*fsm.State, *office, error)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		}
		if next := r.begin(); next != nil {
			next.state, next.held, next.err = confirm()
			close(next.done)
		}
	}
}

// read gives a state that contains every transaction acknowledged anywhere before
// the call, and the office that vouched for it. The error is ErrNotLeader if
// this node is not known to lead, ErrClosed if it is stopping.
func (a *Agent) read(ctx context.Context) (*fsm.State, *office, error) {
	if a.running.Err() != nil {
		return nil, nil, outcome.ErrClosed
	}
	r := a.rounds.join()
	select {
	case <-a.fence.Raised(): // the round may wait for Raft's loop
		return nil, nil, fmt.Errorf("%w: %w", outcome.ErrNotLeader, fence.ErrDiskHangs)
	case <-r.done:
		return r.state, r.held, r.err
	case <-a.running.Done():
		return nil, nil, outcome.ErrClosed
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("%w: leadership not confirmed: %w", outcome.ErrNotLeader, context.Cause(ctx))
	}
}

// confirm makes sure that this node leads and that its tree is as new as it was
// anywhere when confirm was called:
// every entry acknowledged by an earlier leader is in this leader's log and was
// applied before its office was ready; every one acknowledged by this leader was
// applied here first; and no later leader can have acknowledged any, because a
// majority has accepted this one's term in a call sent after confirm began.
func (a *Agent) confirm() (*fsm.State, *office, error) {
	ctx, cancel := context.WithTimeoutCause(a.running, a.timing.Read, outcome.ErrTimeout)
	defer cancel()
	o, err := a.office(ctx)
	if err != nil {
		return nil, nil, err
	}
	committed := a.raft.CommitIndex()
	if err := a.majority(ctx, o); err != nil {
		return nil, nil, err
	}
	for {
		state, applied, changed := a.tree.Watch()
		if applied >= committed {
			return state, o, nil
		}
		if err := wait(ctx, o, changed); err != nil {
			return nil, nil, err
		}
	}
}

// majority waits until a majority has accepted this leader in calls sent from now on.
func (a *Agent) majority(ctx context.Context, o *office) error {
	mark := a.acks.mark()
	others, need := a.others()
	if need > 0 {
		// It triggers heartbeats; the future is not waited for, see ackTransport.
		a.raft.VerifyLeader()
	}
	for {
		n, changed := a.acks.since(mark, o.term, others)
		if n >= need {
			if o.held.Err() != nil {
				return outcome.ErrNotLeader
			}
			return nil
		}
		if err := wait(ctx, o, changed); err != nil {
			return err
		}
	}
}

// others are the voters beside this node, and how many of them make a majority
// with it.
func (a *Agent) others() (ids []raft.ServerID, need int) {
	voters := 0
	for _, s := range a.members().Servers {
		if s.Suffrage != raft.Voter {
			continue
		}
		voters++
		if s.ID != raft.ServerID(a.id) {
			ids = append(ids, s.ID)
		}
	}
	return ids, voters / 2
}

// members is Raft's newest configuration.
func (a *Agent) members() raft.Configuration {
	f := a.raft.GetConfiguration()
	if f.Error() != nil { // it cannot: the answer is a copy made by the call
		return raft.Configuration{}
	}
	return f.Configuration()
}

// wait waits for changed as long as the office lasts.
func wait(ctx context.Context, o *office, changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-o.held.Done():
		return outcome.ErrNotLeader
	case <-ctx.Done():
		return fmt.Errorf("%w: no majority confirms it: %w", outcome.ErrNotLeader, context.Cause(ctx))
	}
}
