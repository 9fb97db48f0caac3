package transaction

import (
	"context"
	"errors"
	"fmt"
	"sync"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// commit commits the transaction, and answers when it is known what has become of it.
func (t *Transaction) commit(ctx context.Context) error {
	c, err := t.beginCommit()
	if c == nil {
		return err
	}
	if !t.m.spawn(func(base context.Context) { c.run(base, ctx) }) {
		t.settle(aborted, "the coordinator that has begun it has stopped")
		c.e.answer(apierror.New(apierror.ShuttingDown, "this coordinator is stopping: transaction %s is aborted", t.id))
		close(c.e.settled)
	}
	select {
	case <-c.e.done:
		return c.e.err
	case <-ctx.Done():
		e := apierror.New(apierror.ConnectionLost, "the commit of transaction %s goes on: ask for its status: %w", t.id, context.Cause(ctx))
		e.Extra = map[string]any{apierror.Outcome: apierror.OutcomeUnknown}
		return e
	}
}

// beginCommit takes the transaction from its operations. It returns nil if there is nothing to do, or an error if it cannot be done.
func (t *Transaction) beginCommit() (*commitment, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.state == committed:
		return nil, nil
	case t.state != running:
		return nil, t.closed("commit")
	case t.users > 0:
		return nil, apierror.New(apierror.Locked, "commit not possible now: %d operations of transaction %s go on", t.users, t.id)
	}
	c := &commitment{t: t, e: newEnding()}
	if wrote := t.held.written(); len(wrote) > 0 {
		c.home, c.others = wrote[0], wrote[1:]
	}
	t.state, t.ending = committing, c.e
	c.e.stop = func(error) {}
	return c, nil
}

// run does all of a commit.
func (c *commitment) run(base, client context.Context) {
	t := c.t
	defer close(c.e.settled)
	c.patient = dbclient.WithPatienceOf(base, client)
	limited, cancel := context.WithTimeout(c.patient, t.m.o.Timing.Request)
	defer cancel()
	ctx, stop := context.WithCancelCause(limited)
	defer stop(nil)
	t.mu.Lock()
	c.ctx, c.e.stop = ctx, stop
	t.mu.Unlock()
	err := c.ready()
	if err == nil {
		err = c.turn()
	}
	switch {
	case errors.Is(err, apierror.GateClosed) && !errors.Is(context.Cause(ctx), errAborted):
		c.reopen(err)
	case err != nil:
		c.fail(base, err)
	case c.home == nil:
		c.won(base)
	default:
		c.decide(base)
	}
}

// ready does all that comes before the decision, and that can be taken back.
func (c *commitment) ready() error {
	if err := step(c.ctx, stepBegun); err != nil {
		return err
	}
	if len(c.others) > 0 {
		if err := c.enterGates(); err != nil {
			return err
		}
		if err := step(c.ctx, stepEntered); err != nil {
			return err
		}
	}
	if err := c.t.endReaders(c.ctx); err != nil {
		return err
	}
	err := each(c.others, func(s *shard) error {
		part, target := c.t.held.partAt(s.url)
		err := c.t.m.o.Parts.Prepare(c.ctx, target, s.at.Shard, dbclient.TxnPrepareRequest{TxnPart: part, Home: c.home.at})
		if err != nil {
			return fmt.Errorf("prepare shard %s: %w", s.at.Shard, err)
		}
		return nil
	})
	if err == nil && len(c.others) > 0 {
		err = step(c.ctx, stepPrepared)
	}
	if errors.Is(err, apierror.GateClosed) { // it is inside all gates: no server may say so
		err = fmt.Errorf("a gate that it holds is closed: %v", err) //nolint:errorlint // it must not count as a closed gate
	}
	return err
}

// turn is the last moment in which a commit can be stopped.
func (c *commitment) turn() error {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	c.t.state = deciding
	return nil
}

// enterGates enters the gates of all servers that the transaction has written to, or of none: it waits at no gate while it holds
// another one, which would keep a backup from holding both.
func (c *commitment) enterGates() error {
	writers := c.t.held.openParts(func(p *part) bool { return p.wrote })
	for {
		var mu sync.Mutex
		var entered []partOf
		var closed *partOf
		err := each(writers, func(p partOf) error {
			err := c.t.m.o.Parts.Enter(c.ctx, p.target, dbclient.TxnEnterRequest{TxnPart: p.TxnPart})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				entered = append(entered, p)
			case errors.Is(err, apierror.GateClosed) && (closed == nil || p.target.URL < closed.target.URL):
				closed = &p
			}
			return err
		})
		if err == nil || !errors.Is(err, apierror.GateClosed) {
			return err
		}
		if !failpoint.Off("leave-before-waiting") {
			if err := each(entered, func(p partOf) error { return c.t.m.o.Parts.Leave(c.ctx, p.target, p.TxnPart) }); err != nil {
				return fmt.Errorf("leave the gates: %w", err)
			}
		}
		if err := c.t.m.o.Parts.Enter(c.ctx, closed.target, dbclient.TxnEnterRequest{TxnPart: closed.TxnPart, Wait: true}); err != nil {
			return err
		}
	}
}
