package engine

import (
	"errors"
	"fmt"
	"time"

	"stasis/internal/apierror"
)

// Close syncs and closes. It waits for calls, cuts and flushes that run; iterators and
// snapshots must be closed before. A second call does nothing. When the disk is full or
// hangs, and stays so, Close returns an error and does the rest when the disk takes it:
// until then the directory stays locked.
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
	e.calls.workers.end()
	e.scrub()
	if e.fail.err() != nil {
		return e.closeFailed()
	}
	e.work.Wait()
	err := errors.Join(e.syncer.close(), e.fail.guard(e.db.Close))
	e.fs.sums.Stop() // it has what was written by the closing, too
	return err
}

// lockForClose waits for the calls that run. It polls, because a goroutine that waits for a
// lock stops the virtual time of tests while the disk of the calls hangs.
func (e *Engine) lockForClose() {
	tick := time.NewTicker(pollClose)
	defer tick.Stop()
	for !e.life.TryLock() {
		<-tick.C
	}
}

// pollClose is how often Close looks whether the last call has ended.
const pollClose = 10 * time.Millisecond

// closeFailedWait is how long Close waits for Pebble when the disk has failed.
const closeFailedWait = time.Second

// closeFailed closes an engine whose disk failed. If the fatal error ended one of Pebble's
// goroutines, Pebble's shutdown never returns: then the process keeps what Pebble holds,
// including the lock of the directory, until the process ends.
func (e *Engine) closeFailed() error {
	close(e.syncer.stop)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		<-e.syncer.done
		e.work.Wait()
		e.fs.sums.Stop()
		if err := e.fail.guard(e.db.Close); err != nil {
			e.options.Logger.Debug("close of a failed engine", "error", err)
		}
	}()
	timer := time.NewTimer(closeFailedWait)
	defer timer.Stop()
	select {
	case <-closed:
	case <-timer.C:
		e.options.Logger.Error("a failed engine cannot be closed; end the process before opening it again", "dir", e.dir)
	}
	return e.fail.err()
}

// awaitDisk waits for the end of close, unless the disk stays full or hangs: then the last
// writes, if they were not to be synced, are lost if the process ends now.
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
		if e.fs.space.refuse() == nil && e.calls.hung() == nil {
			useless = 0
		}
	}
	if err := e.calls.hung(); err != nil {
		return fmt.Errorf("it has not all of the last writes: %w", err)
	}
	return apierror.New(apierror.NoSpace, "the disk is full and has not all of the last writes")
}
