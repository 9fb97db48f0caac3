package backup

import (
	"context"
	"slices"
	"time"

	dbserver "stasis/dbserver/client"
	"stasis/internal/step"
)

// Undo repeats what fails, because nobody else will do it as soon.
const (
	undoTries = 3
	undoPause = 100 * time.Millisecond
)

// undoList holds what must be taken back if the operation fails, in the order in
// which it was done. An entry is added before the request that makes it
// necessary is sent: a request whose answer was lost may have had its effect.
type undoList struct{ entries []*undoEntry }

type undoEntry struct {
	what string
	do   func(context.Context) error // idempotent
}

// push adds an entry; forget takes it from the list again.
func (u *undoList) push(what string, do func(context.Context) error) (forget func()) {
	e := &undoEntry{what, do}
	u.entries = append(u.entries, e)
	return func() {
		u.entries = slices.DeleteFunc(u.entries, func(other *undoEntry) bool { return other == e })
	}
}

// clear empties the list: the commit point has been passed, or may have been.
func (u *undoList) clear() { u.entries = nil }

// rollBack takes back what was done, last thing first, although ctx may have
// ended. What cannot be taken back now is logged and ends by itself: gates and the
// agency lock by their leases, pieces because the servers ask the agency.
func (op *operation) rollBack(ctx context.Context, why error) {
	if len(op.undo.entries) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), op.Timing.Undo)
	defer cancel()
	op.emit(ctx, step.Event{Step: step.Undoing, Error: why.Error()})
	for i, e := range slices.Backward(op.undo.entries) {
		bound := op.Timing.Undo
		if i > 0 { // a dead server must not use up the time for the agency lock, which is the first entry
			bound /= 4
		}
		op.takeBack(ctx, e, bound)
	}
	op.undo.clear()
	op.emit(ctx, step.Event{Step: step.Undone})
}

func (op *operation) takeBack(ctx context.Context, e *undoEntry, bound time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	if err := insist(ctx, e.do); err != nil {
		op.log.Warn("not undone; it will end by itself", "what", e.what, "error", err)
	}
}

// insist repeats an idempotent request a few times.
func insist(ctx context.Context, do func(context.Context) error) (err error) {
	for try := range undoTries {
		if try > 0 && pause(ctx, undoPause) != nil {
			return err
		}
		if err = do(ctx); err == nil {
			return nil
		}
	}
	return err
}

// dropPieces removes what was made of the backup, on every server.
func (c *create) dropPieces(ctx context.Context) error {
	return allErrors(ask(ctx, c.cluster.members, c.Timing.Answer, nil, func(ctx context.Context, m member) (struct{}, error) {
		return struct{}{}, c.Servers.Drop(ctx, m.target, c.piece())
	}))
}

// abandonPieces is dropPieces for when the backup has failed. It repeats what fails, and
// waits for no server longer than for an answer: one whose disk hangs cannot drop its
// piece, and removes it by itself when it can.
func (c *create) abandonPieces(ctx context.Context) error {
	answers := ask(ctx, c.cluster.members, c.Timing.Answer, nil, func(ctx context.Context, m member) (struct{}, error) {
		return struct{}{}, insist(ctx, func(ctx context.Context) error { return c.Servers.Drop(ctx, m.target, c.piece()) })
	})
	for _, a := range answers {
		if a.err != nil {
			c.log.Warn("piece not dropped; its server removes it by itself", "id", c.id, "error", a.err)
		}
	}
	return nil
}

// giveUpGates is for when the backup has failed. The gates have opened with the requests
// that held them; this refuses those requests that may still be on their way. A server
// that does not answer at once is not waited for: what arrives there late has no beats.
func (c *create) giveUpGates(ctx context.Context) error {
	answers := ask(ctx, c.cluster.members, dbserver.GateSilence, nil, func(ctx context.Context, m member) (struct{}, error) {
		_, err := c.Servers.GateRelease(ctx, m.target, dbserver.GateReleaseRequest{ID: c.id, Nonce: c.nonce, Final: true})
		return struct{}{}, err
	})
	for _, a := range answers {
		if a.err != nil {
			c.log.Info("gate not given up; it opens by itself", "error", a.err)
		}
	}
	return nil
}
