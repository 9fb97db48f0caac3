package operation

import (
	"context"
	"slices"
	"time"

	"stasis/event"
)

// RollBack undoes what was done, the last first, within limit, although ctx may have ended. It logs
// what it cannot undo. That ends without it: the lease of the agency lock expires, gates open with
// their requests, and DB servers ask the agency about their pieces.
func (op *Operation) RollBack(ctx context.Context, why error, limit time.Duration) {
	if len(op.Undo.entries) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	op.Emit(ctx, event.Event{Step: event.Undoing, Error: why.Error()})
	for i, e := range slices.Backward(op.Undo.entries) {
		bound := limit
		if i > 0 { // a dead server must not use up the time for the agency lock, which is the first entry
			bound /= 4
		}
		op.undo(ctx, e, bound)
	}
	op.Undo.Clear()
	if op.Undo.Last != nil {
		op.Undo.Last(ctx)
	}
	op.Emit(ctx, event.Event{Step: event.Undone})
}

func (op *Operation) undo(ctx context.Context, e *undoEntry, bound time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	if err := Retry(ctx, e.do); err != nil {
		op.Log.Warn("not undone; the supervision or the DB servers remove it", "what", e.what, "error", err)
	}
}
