package engine

import (
	"fmt"
	"time"

	"stasis/internal/apierror"
)

// unsynced is the error with which new writes are refused while the oldest commit that is
// not on disk is older than the bound. Without the bound, a process that ends could lose
// more acknowledged writes than those of the last moment.
func (e *Engine) unsynced() error {
	age := e.syncer.age()
	if age <= e.options.SyncBound {
		return nil
	}
	why := "the engine waits, though no operation of the disk is late"
	if h := e.calls.late(e.options.SyncBound); h != nil {
		why = "the disk has not answered " + h.String()
	}
	return apierror.New(apierror.ServiceUnavailable,
		"nothing was written: what was acknowledged here %s ago is not on disk yet, and at most %s are allowed; %s; try again",
		age.Round(time.Millisecond), e.options.SyncBound, why)
}

// Admit says whether new writes may begin. An error wraps [ErrRefused] and means that nothing
// was done: the disk hangs, or the last writes have not reached it for too long. The commit
// itself refuses when the disk is full or has failed.
func (e *Engine) Admit() error {
	if e.fail.refuse() != nil || e.fs.space.refuse() != nil {
		return nil
	}
	err := e.calls.hung()
	if err == nil {
		err = e.unsynced()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return nil
}

// Alive returns an error when this engine's disk hangs, or when the last writes have not
// reached it for too long because it does not answer: a leader must not count on a replica
// here. A write stall is no reason, nor is a full disk.
func (e *Engine) Alive() error {
	if err := e.calls.hung(); err != nil {
		return err
	}
	if e.calls.late(e.options.SyncBound) == nil {
		return nil
	}
	return e.unsynced()
}

// Settled says that all abandoned calls have ended.
func (e *Engine) Settled() bool { return e.calls.settled() }
