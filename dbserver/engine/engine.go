package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"stasis/internal/apierror"
)

// Engine is an open engine directory.
type Engine struct {
	dir     string
	options Options
	db      *pebble.DB
	writes  *pipeline // into db
	fs      *cutFS
	fail    *failure
	syncer  *syncer

	lastLog atomic.Uint64 // number of the newest log
	epoch   atomic.Uint64
	cutting chan struct{}  // holds a token while a cut is made
	work    sync.WaitGroup // goroutines of cuts, flushes and calls that may be abandoned
	calls   calls
	scrub   context.CancelFunc // ends the scrub

	life   sync.RWMutex // read: a call runs; write: closing
	closed bool
}

// Failed returns a channel that is closed when the disk has failed for good: every later
// write returns Err, and the server should stop.
func (e *Engine) Failed() <-chan struct{} { return e.fail.ch }

// Err returns the fatal error; nil if there was none.
func (e *Engine) Err() error { return e.fail.err() }

// Get reads one key. The value is the caller's own copy.
func (e *Engine) Get(key []byte) (value []byte, found bool, err error) {
	if err := e.enter(); err != nil {
		return nil, false, err
	}
	defer e.leave()
	return get(e.db, key)
}

// get reads a key from the engine or from a snapshot of it.
func get(r pebble.Reader, key []byte) ([]byte, bool, error) {
	value, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read key %q: %w", key, translate(err))
	}
	own := append(make([]byte, 0, len(value)), value...)
	return own, true, closer.Close()
}

// SyncAll returns when everything committed before the call is on disk. Calls made at the
// same time share one sync. Without anything unsynced it is free.
func (e *Engine) SyncAll() error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	if e.syncer.clean() {
		return nil
	}
	if err := e.calls.hung(); err != nil {
		return err
	}
	return e.calls.do(e.syncer.syncAll)
}

// syncLog syncs the log. The caller is inside enter/leave or owns the engine.
func (e *Engine) syncLog() error {
	if err := e.fail.err(); err != nil {
		return err
	}
	return e.fail.guard(e.writes.sync)
}

// enter begins a call. Close waits for its leave.
func (e *Engine) enter() error {
	e.life.RLock()
	if e.closed {
		e.life.RUnlock()
		return ErrClosed
	}
	return nil
}

func (e *Engine) leave() { e.life.RUnlock() }

// refuse is the error with which a new write or cut is refused.
func (e *Engine) refuse() error {
	if err := e.fail.refuse(); err != nil {
		return err
	}
	if err := e.fs.space.refuse(); err != nil {
		return err
	}
	if !e.calls.settled() {
		return apierror.New(apierror.ServiceUnavailable, "the disk of this server hung, and has not done yet what it was asked before")
	}
	return e.calls.hung()
}
