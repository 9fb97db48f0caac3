package backup

import (
	"context"
	"fmt"
	"sync"

	"stasis/dbserver/engine"
	"stasis/internal/backupname"
)

// turns makes the steps of one piece follow each other.
type turns struct {
	mu     sync.Mutex
	pieces map[string]*turn // by id
}

func newTurns() *turns { return &turns{pieces: map[string]*turn{}} }

// turn is held by the step of one piece that runs. It is a channel and no mutex: the
// step may hang with the disk, and the steps behind it stop waiting when their contexts
// end.
type turn struct {
	held chan struct{}

	// Guarded by held.
	cut    *engine.Cut
	linked bool

	// Guarded by turns.mu.
	steps  int                // steps that run or wait
	cancel context.CancelFunc // of the Link that runs
}

// begin waits for the steps of the piece that began before. end gives the turn back. If
// ctx ends first, begin returns its cause. A turn that is free is given whatever ctx
// says: the step itself decides what it does then, such as removing its piece.
func (t *turns) begin(ctx context.Context, id string) (it *turn, end func(), err error) {
	if err := backupname.CheckID(id); err != nil {
		return nil, nil, err
	}
	it = t.enter(id)
	if err := take(ctx, it.held); err != nil {
		t.leave(id, it)
		return nil, nil, fmt.Errorf("wait for another step of piece %s: %w", id, err)
	}
	return it, func() { <-it.held; t.leave(id, it) }, nil
}

// take takes the one place of a channel. It takes a free place whatever ctx says, and otherwise
// waits until ctx ends.
func take(ctx context.Context, place chan struct{}) error {
	select {
	case place <- struct{}{}:
		return nil
	default:
	}
	select {
	case place <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t *turns) enter(id string) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	it := t.pieces[id]
	if it == nil {
		it = &turn{held: make(chan struct{}, 1)}
		t.pieces[id] = it
	}
	it.steps++
	return it
}

// leave forgets the turn if no other step has it or waits for it and there is no cut.
// Without such steps nothing else reads or writes the cut.
func (t *turns) leave(id string, it *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	it.steps--
	if it.steps == 0 && it.cut == nil {
		delete(t.pieces, id)
	}
}

// interruptible lets interrupt end the step that holds the turn.
func (t *turns) interruptible(ctx context.Context, it *turn) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	it.cancel = cancel
	return ctx, func() {
		cancel()
		t.mu.Lock()
		defer t.mu.Unlock()
		it.cancel = nil
	}
}

// interrupt ends the step of the piece that is interruptible, if one runs.
func (t *turns) interrupt(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if it := t.pieces[id]; it != nil && it.cancel != nil {
		it.cancel()
	}
}
