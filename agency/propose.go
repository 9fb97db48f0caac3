package agency

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"stasis/fsm"
)

// maxBatch and maxBatchBytes bound what shares a Raft entry when several
// envelopes are gathered. One envelope is never divided, so that it wakes pollers
// once.
const (
	maxBatch      = 2048
	maxBatchBytes = 4 << 20
)

// proposal is one envelope on its way through the log.
type proposal struct {
	transactions []fsm.Transaction
	bytes        int           // of the request that brought it
	done         chan struct{} // closed when the fields below are set

	before   *fsm.State // the state just before the first transaction
	outcomes []fsm.Outcome
	err      error // ErrNotLeader, ErrClosed or ErrUnknown
}

// proposer turns envelopes into Raft entries: one entry is on its way at a time,
// and whatever arrives meanwhile shares the next one (group commit). An envelope
// that finds nothing on its way is proposed at once.
type proposer struct {
	wake chan struct{}

	mu     sync.Mutex
	queue  []*proposal
	flying []*proposal
	closed bool
}

func newProposer() *proposer { return &proposer{wake: make(chan struct{}, 1)} }

// enqueue adds an envelope; its done is closed when it has an outcome.
func (p *proposer) enqueue(transactions []fsm.Transaction, bytes int) *proposal {
	e := &proposal{transactions: transactions, bytes: bytes, done: make(chan struct{})}
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.queue = append(p.queue, e)
	}
	p.mu.Unlock()
	if closed {
		e.fail(ErrClosed)
		return e
	}
	select {
	case p.wake <- struct{}{}:
	default: // the loop is already due
	}
	return e
}

// withdraw takes an envelope back if nothing has been done about it yet.
func (p *proposer) withdraw(e *proposal) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, q := range p.queue {
		if q == e {
			p.queue = append(p.queue[:i], p.queue[i+1:]...)
			return true
		}
	}
	return false
}

// take moves the next batch from the queue into the air.
func (p *proposer) take() []*proposal {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, transactions, bytes := 0, 0, 0
	for _, e := range p.queue {
		transactions, bytes = transactions+len(e.transactions), bytes+e.bytes
		if n > 0 && (transactions > maxBatch || bytes > maxBatchBytes) {
			break
		}
		n++
	}
	p.flying = append([]*proposal(nil), p.queue[:n]...)
	p.queue = p.queue[n:]
	return p.flying
}

// pending gives the envelopes that have no outcome yet and carry one of the ids.
func (p *proposer) pending(ids []string) []*proposal {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []*proposal
	for _, list := range [][]*proposal{p.flying, p.queue} {
		for _, e := range list {
			if e.carries(ids) {
				found = append(found, e)
			}
		}
	}
	return found
}

// close refuses what comes from now on and drops what waits in the queue.
func (p *proposer) close() {
	p.mu.Lock()
	p.closed = true
	dropped := p.queue
	p.queue = nil
	p.mu.Unlock()
	for _, e := range dropped {
		e.fail(ErrClosed)
	}
}

// run proposes until ctx ends. propose hands a command to Raft and
// waits for its outcome.
func (p *proposer) run(ctx context.Context, propose func(fsm.Command) (appliedBatch, error)) {
	for {
		select {
		case <-ctx.Done():
			p.close()
			return
		case <-p.wake:
		}
		for batch := p.take(); len(batch) > 0; batch = p.take() {
			p.commit(batch, propose)
		}
	}
}

// commit makes one entry of a batch and gives each envelope its outcomes.
func (p *proposer) commit(batch []*proposal, propose func(fsm.Command) (appliedBatch, error)) {
	var all []fsm.Transaction
	for _, e := range batch {
		all = append(all, e.transactions...)
	}
	applied, err := propose(fsm.Command{Time: time.Now().UnixMilli(), Transactions: all})
	before, outcomes := applied.before, applied.outcomes
	for _, e := range batch {
		if err != nil {
			e.err = err
			continue
		}
		n := len(e.transactions)
		e.before, e.outcomes = before, outcomes[:n:n]
		if n > 0 {
			before = outcomes[n-1].State
		}
		outcomes = outcomes[n:]
	}
	p.mu.Lock()
	p.flying = nil
	p.mu.Unlock()
	for _, e := range batch {
		close(e.done)
	}
}

func (e *proposal) fail(err error) {
	e.err = err
	close(e.done)
}

func (e *proposal) carries(ids []string) bool {
	for _, t := range e.transactions {
		for _, id := range ids {
			if id != "" && t.ClientID() == id {
				return true
			}
		}
	}
	return false
}

// raftPropose hands a command to Raft and says which of the three outcomes it
// had. It waits as long as Raft does: until the entry is applied, or leadership
// is lost (which a leader without majority does within its lease).
func (a *Agent) raftPropose(command fsm.Command) (appliedBatch, error) {
	data := command.Encode()
	defer a.machine.expect(data, command)()
	future := a.raft.Apply(data, 0)
	if err := future.Error(); err != nil {
		return appliedBatch{}, outcomeOf(err)
	}
	switch r := future.Response().(type) {
	case appliedBatch:
		return r, nil
	case error:
		return appliedBatch{}, fmt.Errorf("%w: %w", ErrUnknown, r)
	default:
		return appliedBatch{}, fmt.Errorf("%w: unexpected answer %T of the state machine", ErrUnknown, r)
	}
}

// outcomeOf sorts Raft's errors. The first two are given before an entry is
// written; after any other it may exist somewhere and be committed later.
func outcomeOf(err error) error {
	switch {
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return fmt.Errorf("%w: %w", ErrNotLeader, err)
	default:
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
}

// propose replicates and applies the transactions of one envelope, as this
// node being leader. The error is ErrNotLeader or ErrClosed (not applied), or
// ErrUnknown.
func (a *Agent) propose(ctx context.Context, transactions []fsm.Transaction, bytes int) (*proposal, error) {
	if _, err := a.office(ctx); err != nil {
		return nil, err
	}
	e := a.proposer.enqueue(transactions, bytes)
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
	}
	if a.proposer.withdraw(e) {
		return nil, fmt.Errorf("%w: given up before it was proposed: %w", ErrTimeout, reason)
	}
	return nil, fmt.Errorf("%w: %w: %w", ErrUnknown, ErrTimeout, reason)
}
