package engine

import (
	"errors"
	"fmt"
	"time"

	"stasis/dbserver/diskhealth"
	"stasis/internal/apierror"
)

// DefaultSyncBound is how old the oldest commit that is not on disk may be before new
// writes are refused, unless Options say otherwise.
const DefaultSyncBound = time.Second

// ErrAbandoned marks the error of a call that was given up because the disk hangs. What
// became of it is unknown: it goes on inside the engine, and ends when the disk answers.
var ErrAbandoned = errors.New("the outcome is unknown")

// patiently runs what may have to wait for the disk, in another goroutine, and gives
// it up when the disk hangs. So a caller that holds a lock, or the gate, is never held by
// the disk for longer than the limit of the watch.
func (e *Engine) patiently(f func() error) error {
	watch := e.options.Health
	if watch == nil {
		return e.guard(f)
	}
	w := e.workers.hire(&e.work)
	w.calls <- func() error { return e.guard(f) }
	select {
	case a := <-w.done:
		e.workers.rest(w)
		return a.get()
	case <-watch.Hung():
	}
	select {
	case a := <-w.done:
		e.workers.rest(w)
		return a.get()
	default:
	}
	e.abandoned.Add(1)
	e.work.Go(func() {
		e.note(<-w.done)
		e.abandoned.Add(-1)
		e.workers.rest(w)
	})
	return fmt.Errorf("%w: %w", ErrAbandoned, hangs(watch))
}

// note is for what came of a call that was given up: there is no caller to tell.
func (e *Engine) note(a answer) {
	switch {
	case a.panic != nil:
		e.fail.set(fmt.Errorf("panic in a call that was given up: %v", a.panic))
	case a.err != nil:
		e.options.Logger.Warn("a call that was given up while the disk hung has failed", "error", a.err)
	}
}

// hangs is the error of a disk that was found to hang, also if it answers by now.
func hangs(w *diskhealth.Watch) error {
	if err := w.Refusal(); err != nil {
		return err
	}
	return apierror.New(apierror.ServiceUnavailable, "the disk of this server hung")
}

// hung is the error with which what would write is refused while the disk hangs.
func (e *Engine) hung() error {
	if e.options.Health == nil {
		return nil
	}
	return e.options.Health.Refusal()
}

// unsynced is the error with which new writes are refused while the oldest commit that is
// not on disk is older than the bound. What is acknowledged without a sync would be lost
// with the process, and no longer only what belongs to the last moment.
func (e *Engine) unsynced() error {
	age := e.syncer.age()
	if age <= e.options.SyncBound {
		return nil
	}
	why := "the engine waits, though no operation of the disk is late"
	if h := e.late(); h != nil {
		why = "the disk has not answered " + h.String()
	}
	return apierror.New(apierror.ServiceUnavailable,
		"nothing was written: what was acknowledged here %s ago is not on disk yet, and at most %s are allowed; %s; try again",
		age.Round(time.Millisecond), e.options.SyncBound, why)
}

// late is an operation of the disk that is older than the bound on commits.
func (e *Engine) late() *diskhealth.Hang {
	if e.options.Health == nil {
		return nil
	}
	return e.options.Health.Over(e.options.SyncBound)
}

// Admit says whether new writes may begin. An error wraps ErrRefused and means that
// nothing was done: the disk hangs, or has not had the last writes for too long. A disk that
// is full or has failed is met by the commit itself, which refuses as well.
func (e *Engine) Admit() error {
	if e.fail.refuse() != nil || e.fs.patient.refuse() != nil {
		return nil
	}
	err := e.hung()
	if err == nil {
		err = e.unsynced()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return nil
}

// Alive is an error when this engine's disk hangs, or has not had the last writes for too
// long because it does not answer: who keeps a replica here must not count on it. A write
// stall is no reason, nor is a full disk.
func (e *Engine) Alive() error {
	if err := e.hung(); err != nil {
		return err
	}
	if e.late() == nil {
		return nil
	}
	return e.unsynced()
}

// Settled says that all calls which were given up have ended.
func (e *Engine) Settled() bool { return e.abandoned.Load() == 0 }
