package agency

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"stasis/agency/fence"
	"stasis/agency/outcome"
	"stasis/agency/quota"
	"stasis/agency/tree"
	"stasis/fsm"
)

// raftPropose hands a command to Raft. The outcome is one of three; it comes as
// late as Raft's: when the entry is applied, or leadership is lost (which a leader
// without majority does within its lease).
func (a *Agent) raftPropose(command fsm.Command) func() (tree.Applied, error) {
	// First what is in the air, then the tree: what lands in between counts twice.
	if flying := a.proposer.adds(); quota.Plus(flying, a.tree.State().Weight()) <= a.quota.Clients() {
		// No limit can matter, and agents of earlier versions can read what has none.
		command.Transactions = quota.Unlimited(command.Transactions)
	}
	data := command.Encode()
	forget := a.tree.Proposed(data, command)
	future := a.raft.Apply(data, 0)
	return func() (tree.Applied, error) {
		defer forget()
		if err := future.Error(); err != nil {
			return tree.Applied{}, outcomeOf(err)
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

// outcomeOf sorts Raft's errors. The first two are given before an entry is
// written; after any other it may exist somewhere and be committed later.
func outcomeOf(err error) error {
	switch {
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return fmt.Errorf("%w: %w", outcome.ErrNotLeader, err)
	default:
		return fmt.Errorf("%w: %w", outcome.ErrUnknown, err)
	}
}

// abandon is the outcome of an envelope when the disk hangs. Raft may have it, and may yet
// append it: no caller waits for that.
func (a *Agent) abandon(e *proposal) error {
	select {
	case <-e.done:
		return e.err
	default:
	}
	if a.proposer.withdraw(e) {
		return fmt.Errorf("%w: %w", outcome.ErrNotLeader, fence.ErrDiskHangs)
	}
	return fmt.Errorf("%w: %w", outcome.ErrUnknown, fence.ErrDiskHangs)
}

// propose replicates and applies the transactions of one envelope, as this
// node being leader. The error is ErrNotLeader or ErrClosed (not applied), or
// ErrUnknown.
func (a *Agent) propose(ctx context.Context, e *proposal) (*proposal, error) {
	o, err := a.office(ctx)
	if err != nil {
		return nil, err
	}
	e.held = o.held.Done()
	a.proposer.enter(e)
	timer := time.NewTimer(a.timing.Write)
	defer timer.Stop()
	var reason error
	select {
	case <-e.done:
		return e, e.err
	case <-timer.C:
		reason = fmt.Errorf("no commit within %s", a.timing.Write)
	case <-ctx.Done():
		reason = context.Cause(ctx)
	case <-a.fence.Raised():
		return e, a.abandon(e)
	}
	if a.proposer.withdraw(e) {
		return nil, fmt.Errorf("%w: given up before it was proposed: %w", outcome.ErrTimeout, reason)
	}
	return nil, fmt.Errorf("%w: %w: %w", outcome.ErrUnknown, outcome.ErrTimeout, reason)
}
