package engine

import (
	"errors"
	"fmt"
	"time"

	"stasis/internal/apierror"
)

// Close syncs and closes. It waits for calls, cuts and flushes under way;
// iterators and snapshots must be closed before. Calling it again is harmless. When the
// disk is full or hangs, and stays so, the answer is an error, and the rest is done when
// the disk takes it: until then the directory stays locked.
func (e *Engine) Close() error {
	e.fs.abandon()
	closed := make(chan error, 1)
	go func() { closed <- e.close() }()
	if err := e.awaitDisk(closed); err != nil {
		return fmt.Errorf("close engine %s: %w", e.dir, translate(err))
	}
	return nil
}

func (e *Engine) close() error {
	e.lockForClose()
	if e.closed {
		e.life.Unlock()
		return nil
	}
	e.closed = true
	e.life.Unlock()
	e.workers.end()
	if e.fail.err() != nil {
		return e.closeFailed()
	}
	e.work.Wait()
	return errors.Join(e.syncer.close(), e.guard(e.db.Close))
}

// lockForClose waits for the calls under way. It polls: a lock that is waited for would
// stop the time of a test's bubble while the disk of the calls hangs.
func (e *Engine) lockForClose() {
	tick := time.NewTicker(pollClose)
	defer tick.Stop()
	for !e.life.TryLock() {
		<-tick.C
	}
}

// pollClose is how often Close looks whether the last call has ended.
const pollClose = 10 * time.Millisecond

// awaitDisk waits for the end, unless the disk stays full or hangs: then what was
// written last, and not asked to be synced, is lost if the process ends now.
func (e *Engine) awaitDisk(closed <-chan error) error {
	tick := time.NewTicker(retryFull)
	defer tick.Stop()
	for useless := time.Duration(0); useless < closeFailedWait; {
		select {
		case err := <-closed:
			return err
		case <-tick.C:
		}
		useless += retryFull
		if e.fs.patient.refuse() == nil && e.hung() == nil {
			useless = 0
		}
	}
	if err := e.hung(); err != nil {
		return fmt.Errorf("it has not all of the last writes: %w", err)
	}
	return apierror.New(apierror.NoSpace, "the disk is full and has not all of the last writes")
}
