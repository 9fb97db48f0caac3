package proposer

import (
	"context"
	"slices"
	"sync"

	"stasis/agency/outcome"
	"stasis/agency/quota"
	"stasis/agency/tree"
	"stasis/fsm"
)

// maxBatch and maxBatchBytes bound what shares an entry when several envelopes are gathered. One
// envelope is never divided, so that it wakes pollers once.
const (
	maxBatch      = 2048
	maxBatchBytes = 4 << 20
)

// maxFlying is how many entries are in flight at once: while the followers write one, the next
// is encoded and written here. More made the groups smaller, and each entry costs every agent
// two syncs.
const maxFlying = 2

// proposal is one envelope on its way through the log.
type proposal struct {
	transactions []fsm.Transaction
	bytes        int             // of the request that brought it
	adds         int64           // to the weight of the tree, at most
	once         []string        // client ids none of which may be applied twice
	lost         <-chan struct{} // closed with the leadership that has taken it; nil: any later one may propose it
	done         chan struct{}   // closed when the fields below are set

	result tree.Applied
	err    error // of package outcome
}

// queue gathers envelopes into batches, and knows which are in flight.
type queue struct {
	wake chan struct{}

	mu     sync.Mutex
	queued []*proposal
	flying [][]*proposal // batches, in the order they were proposed
	closed bool
	once   onces
}

func newQueue(applied func(id string) bool) *queue {
	return &queue{wake: make(chan struct{}, 1), once: newOnces(applied)}
}

func newProposal(transactions []fsm.Transaction, bytes int) *proposal {
	return &proposal{transactions: transactions, bytes: bytes, adds: quota.Adds(transactions), done: make(chan struct{})}
}

// enter adds an envelope. Its done is closed when it has an outcome.
func (q *queue) enter(e *proposal) *proposal {
	q.mu.Lock()
	closed := q.closed
	if !closed {
		q.queued = append(q.queued, e)
	}
	q.mu.Unlock()
	if closed {
		e.fail(outcome.ErrClosed)
		return e
	}
	q.due()
	return e
}

// withdraw takes an envelope back if it is not in flight yet.
func (q *queue) withdraw(e *proposal) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, w := range q.queued {
		if w == e {
			q.queued = append(q.queued[:i], q.queued[i+1:]...)
			return true
		}
	}
	return false
}

// take moves the next batch from the queue into flight; nil if there is no place or nothing
// waits.
func (q *queue) take() []*proposal {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.flying) >= maxFlying {
		return nil
	}
	var batch []*proposal
	n, transactions, bytes := 0, 0, 0
	for _, e := range q.queued {
		if len(batch) > 0 && (transactions+len(e.transactions) > maxBatch || bytes+e.bytes > maxBatchBytes) {
			break
		}
		n++
		if err := q.once.stale(e.lost, e.once); err != nil {
			e.fail(err)
			continue
		}
		q.once.begin(e.once)
		transactions, bytes = transactions+len(e.transactions), bytes+e.bytes
		batch = append(batch, e)
	}
	q.queued = slices.Delete(q.queued, 0, n)
	if len(batch) > 0 {
		q.flying = append(q.flying, batch)
	}
	return batch
}

// landed notes that a batch has its outcome, and wakes the loop for the next.
func (q *queue) landed(batch []*proposal) {
	q.mu.Lock()
	q.flying = slices.DeleteFunc(q.flying, func(b []*proposal) bool { return b[0] == batch[0] })
	for _, e := range batch {
		q.once.end(e.once)
	}
	q.mu.Unlock()
	q.due()
}

// adds is at most how many bytes heavier the tree becomes by what is in flight.
func (q *queue) adds() (sum int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, batch := range q.flying {
		for _, e := range batch {
			sum = quota.Plus(sum, e.adds)
		}
	}
	return sum
}

// waiting is how many bytes of requests wait in the queue.
func (q *queue) waiting() (bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.queued {
		bytes += e.bytes
	}
	return bytes
}

// due wakes the loop.
func (q *queue) due() {
	select {
	case q.wake <- struct{}{}:
	default: // it is already due
	}
}

// pending gives the envelopes that have no outcome yet and carry one of the ids.
func (q *queue) pending(ids []string) []*proposal {
	q.mu.Lock()
	defer q.mu.Unlock()
	var found []*proposal
	for _, list := range append(slices.Clone(q.flying), q.queued) {
		for _, e := range list {
			if e.carries(ids) {
				found = append(found, e)
			}
		}
	}
	return found
}

// close drops what is queued, and refuses what comes from now on.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	dropped := q.queued
	q.queued = nil
	q.mu.Unlock()
	for _, e := range dropped {
		e.fail(outcome.ErrClosed)
	}
}

// propose hands a command to Raft, in the order of its calls. outcome waits for what becomes of
// it.
type propose func(fsm.Command) (outcome func() (tree.Applied, error))

// run proposes until ctx ends.
func (q *queue) run(ctx context.Context, hand propose) {
	var landing sync.WaitGroup
	defer landing.Wait()
	for {
		select {
		case <-ctx.Done():
			q.close()
			return
		case <-q.wake:
		}
		for batch := q.take(); batch != nil; batch = q.take() {
			var all []fsm.Transaction
			for _, e := range batch {
				all = append(all, e.transactions...)
			}
			outcome := hand(fsm.Command{Transactions: all})
			landing.Go(func() {
				applied, err := outcome()
				q.landed(batch)
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
		e.result = tree.Applied{Before: before, Outcomes: outcomes[:n:n]}
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
