package agency

import (
	"context"
	"slices"
	"sync"
	"time"

	"stasis/agency/outcome"
	"stasis/agency/quota"
	"stasis/agency/tree"
	"stasis/fsm"
)

// maxBatch and maxBatchBytes bound what shares a Raft entry when several
// envelopes are gathered. One envelope is never divided, so that it wakes pollers
// once.
const (
	maxBatch      = 2048
	maxBatchBytes = 4 << 20
)

// maxFlying is how many entries are on their way at once: while one is written by
// the followers, the next is encoded and written here. More made the groups
// smaller, and each costs every agent two syncs.
const maxFlying = 2

// proposal is one envelope on its way through the log.
type proposal struct {
	transactions []fsm.Transaction
	bytes        int             // of the request that brought it
	adds         int64           // to the weight of the tree, at most
	once         []string        // client ids none of which may be applied twice
	held         <-chan struct{} // ends with the office that has taken it; nil: whichever leads proposes it
	done         chan struct{}   // closed when the fields below are set

	before   *fsm.State // the state just before the first transaction
	outcomes []fsm.Outcome
	err      error // ErrNotLeader, ErrClosed or ErrUnknown
}

// proposer turns envelopes into Raft entries: few entries are on their way at a time,
// and whatever arrives meanwhile shares the next one (group commit). An envelope
// that finds nothing on its way is proposed at once.
type proposer struct {
	wake chan struct{}

	mu     sync.Mutex
	queue  []*proposal
	flying [][]*proposal // batches, in the order they were proposed
	closed bool
	onces
}

func newProposer() *proposer { return &proposer{wake: make(chan struct{}, 1), onces: newOnces()} }

// enqueue adds an envelope; its done is closed when it has an outcome.
func (p *proposer) enqueue(transactions []fsm.Transaction, bytes int) *proposal {
	return p.enter(newProposal(transactions, bytes))
}

func newProposal(transactions []fsm.Transaction, bytes int) *proposal {
	return &proposal{transactions: transactions, bytes: bytes, adds: quota.Adds(transactions), done: make(chan struct{})}
}

func (p *proposer) enter(e *proposal) *proposal {
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.queue = append(p.queue, e)
	}
	p.mu.Unlock()
	if closed {
		e.fail(outcome.ErrClosed)
		return e
	}
	p.due()
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

// take moves the next batch from the queue into the air, nothing if there is no
// place or nothing waits.
func (p *proposer) take() []*proposal {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.flying) >= maxFlying {
		return nil
	}
	var batch []*proposal
	n, transactions, bytes := 0, 0, 0
	for _, e := range p.queue {
		if len(batch) > 0 && (transactions+len(e.transactions) > maxBatch || bytes+e.bytes > maxBatchBytes) {
			break
		}
		n++
		if err := p.stale(e); err != nil {
			e.fail(err)
			continue
		}
		p.begin(e)
		transactions, bytes = transactions+len(e.transactions), bytes+e.bytes
		batch = append(batch, e)
	}
	p.queue = slices.Delete(p.queue, 0, n)
	if len(batch) > 0 {
		p.flying = append(p.flying, batch)
	}
	return batch
}

// landed takes a batch out of the air and wakes the loop for the next.
func (p *proposer) landed(batch []*proposal) {
	p.mu.Lock()
	p.flying = slices.DeleteFunc(p.flying, func(b []*proposal) bool { return b[0] == batch[0] })
	p.end(batch)
	p.mu.Unlock()
	p.due()
}

// adds is at most how much heavier the tree becomes by what is in the air.
func (p *proposer) adds() (sum int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, batch := range p.flying {
		for _, e := range batch {
			sum = quota.Plus(sum, e.adds)
		}
	}
	return sum
}

// waiting is how many bytes of requests wait in the queue.
func (p *proposer) waiting() (bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.queue {
		bytes += e.bytes
	}
	return bytes
}

// due wakes the loop.
func (p *proposer) due() {
	select {
	case p.wake <- struct{}{}:
	default: // it is already due
	}
}

// pending gives the envelopes that have no outcome yet and carry one of the ids.
func (p *proposer) pending(ids []string) []*proposal {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []*proposal
	for _, list := range append(slices.Clone(p.flying), p.queue) {
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
		e.fail(outcome.ErrClosed)
	}
}

// propose hands a command to Raft, in the order of its calls, and gives what
// waits for the outcome.
type propose func(fsm.Command) (outcome func() (tree.Applied, error))

// run proposes until ctx ends.
func (p *proposer) run(ctx context.Context, hand propose) {
	var landing sync.WaitGroup
	defer landing.Wait()
	for {
		select {
		case <-ctx.Done():
			p.close()
			return
		case <-p.wake:
		}
		for batch := p.take(); batch != nil; batch = p.take() {
			var all []fsm.Transaction
			for _, e := range batch {
				all = append(all, e.transactions...)
			}
			outcome := hand(fsm.Command{Time: time.Now().UnixMilli(), Transactions: all})
			landing.Go(func() {
				applied, err := outcome()
				p.landed(batch)
				deliver(batch, applied, err)
			})
		}
	}
}

// deliver gives each envelope of a batch its outcomes.
func deliver(batch []*proposal, applied tree.Applied, err error) {
	before, outcomes := applied.Before, applied.Outcomes
	for _, e := range batch {
		if err != nil {
			e.fail(err)
			continue
		}
		n := len(e.transactions)
		e.before, e.outcomes = before, outcomes[:n:n]
		if n > 0 {
			before = outcomes[n-1].State
		}
		outcomes = outcomes[n:]
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
