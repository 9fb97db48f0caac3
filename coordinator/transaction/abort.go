package transaction

import (
	"context"
	"fmt"
	"sync"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// abandon begins to abort a transaction that is running. It returns nil if it is not.
func (t *Transaction) abandon(why string) *ending {
	t.mu.Lock()
	if t.state != running {
		t.mu.Unlock()
		return nil
	}
	e := newEnding()
	t.state, t.why, t.ending = aborted, why, e
	t.mu.Unlock()
	t.end(errAborted)
	e.answer(nil)
	if !t.m.spawn(func(ctx context.Context) {
		t.endParts(ctx, why)
		close(e.settled)
		t.using.Wait()       // one of its operations may read from a slow client: no lock waits for that
		t.endParts(ctx, why) // what they have opened meanwhile, and have done nothing in
		t.m.over(t)
	}) {
		close(e.settled)
	}
	return e
}

// lose aborts a transaction from one of its operations, and returns the operation's error. It does not wait for the end: that waits
// for the operation.
func (t *Transaction) lose(_ context.Context, why string) error {
	if t.abandon(why) != nil {
		t.m.o.Logger.Info("transaction aborted", "id", t.id, "why", why)
	}
	return t.gone(apierror.New(apierror.TransactionAborted, "transaction %s is aborted: %s", t.id, why))
}

// abort aborts a transaction, also one whose commit has not asked for the decision. It returns when its locks are free, as far as
// servers answer.
func (t *Transaction) abort(ctx context.Context, why string) error {
	for {
		t.abandon(why)
		t.mu.Lock()
		e, wait, refusal := t.ending, (chan struct{})(nil), error(nil)
		switch t.state {
		case aborted:
			wait = e.settled
		case committing:
			e.stop(fmt.Errorf("%w: %s", errAborted, why))
			wait = e.done
		case deciding:
			wait = e.done
		case committed, unknown:
			refusal = t.closed("abort")
		}
		over := t.state == aborted
		t.mu.Unlock()
		if refusal != nil {
			return refusal
		}
		if wait == nil {
			continue // it is running again
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return apierror.New(apierror.Cancelled, "abort of transaction %s: %w", t.id, context.Cause(ctx))
		}
		if over {
			return nil
		}
	}
}

// endParts ends all parts that have not been. One whose server does not answer is ended by that server when no coordinator keeps it alive.
func (t *Transaction) endParts(ctx context.Context, why string) {
	ctx, cancel := context.WithTimeout(ctx, t.m.o.Timing.End)
	defer cancel()
	var all sync.WaitGroup
	for _, p := range t.held.openParts(func(*part) bool { return true }) {
		t.held.ended(p.target.URL)
		all.Go(func() {
			err := t.m.o.Parts.End(ctx, p.target, dbclient.TxnEndRequest{TxnPart: p.TxnPart, Reason: why})
			if err != nil {
				t.m.o.Logger.Info("a part of an aborted transaction was not ended; its server does so when no coordinator keeps it alive", "id", t.id, "server", p.target.URL, "error", err)
			}
		})
	}
	all.Wait()
}

// endReaders ends the parts that have only read: with an error if one is lost, since another transaction may have had its locks.
func (t *Transaction) endReaders(ctx context.Context) error {
	readers := t.held.openParts(func(p *part) bool { return !p.wrote })
	if len(readers) == 0 {
		return nil
	}
	t.mu.Lock()
	t.sealed = true
	t.mu.Unlock()
	return each(readers, func(p partOf) error {
		err := t.m.o.Parts.End(ctx, p.target, dbclient.TxnEndRequest{TxnPart: p.TxnPart, Commit: true})
		if err != nil && !failpoint.Off("readers-are-checked") {
			return fmt.Errorf("DB server %s, where it has read: %w", p.target.URL, err)
		}
		t.held.ended(p.target.URL)
		return nil
	})
}
