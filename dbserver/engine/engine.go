package engine

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"stasis/internal/apierror"
)

// ErrClosed answers every call after Close.
var ErrClosed = errors.New("engine is closed")

// ErrRefused marks the error of a commit that was not begun: the disk is full at
// present, or has failed. Nothing of it was applied or will be.
var ErrRefused = errors.New("commit refused")

// Engine is an open engine directory.
type Engine struct {
	dir     string
	options Options
	db      *pebble.DB
	fs      *cutFS
	fail    *failure
	syncer  *syncer

	lastLog atomic.Uint64 // number of the newest log
	epoch   atomic.Uint64
	cutting chan struct{}  // holds a token while a cut is under way
	work    sync.WaitGroup // goroutines of cuts and flushes

	life   sync.RWMutex // read: a call is under way; write: closing
	closed bool
}

// DirError says what did not work with the engine in a directory: Err without it, for
// who shows it to somebody to whom that directory means nothing.
type DirError struct {
	Op  string // open or check
	Dir string
	Err error
}

func (e *DirError) Error() string { return fmt.Sprintf("%s engine %s: %v", e.Op, e.Dir, e.Err) }

// Unwrap gives Err.
func (e *DirError) Unwrap() error { return e.Err }

// Open opens the engine in dir, making it if it is missing (unless MustExist).
// One opener at a time: a second one gets an error.
func Open(dir string, o Options) (*Engine, error) {
	o = o.withDefaults()
	e := &Engine{
		dir: dir, options: o, fs: &cutFS{FS: o.FS},
		fail: newFailure(o.Logger), cutting: make(chan struct{}, 1),
	}
	if o.ReadOnly {
		e.fs.FS = readOnlyFS{o.FS}
	}
	e.fs.patient = &patientFS{FS: e.fs.FS, log: o.Logger}
	err := e.guard(func() (err error) {
		popts := o.pebble(e.fs, pebbleLogger{e.fail}, e.events())
		e.db, err = pebble.Open(dir, popts)
		return err
	})
	if err != nil {
		return nil, &DirError{"open", dir, translate(err)}
	}
	e.syncer = newSyncer(e.syncLog, o.SyncInterval, e.fail)
	if err := e.loadEpoch(); err != nil {
		return nil, errors.Join(&DirError{"open", dir, err}, e.Close())
	}
	return e, nil
}

// Dir is the directory that the engine was opened in.
func (e *Engine) Dir() string { return e.dir }

// Failed is closed when the disk failed for good: every later write answers with
// Err, and the server should stop.
func (e *Engine) Failed() <-chan struct{} { return e.fail.ch }

// Err is the fatal error, nil if there was none.
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

// SyncAll answers when everything committed before the call is on disk. Calls
// made at the same time share one sync; without anything unsynced it is free.
func (e *Engine) SyncAll() error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	return e.syncer.syncAll()
}

// syncLog syncs the log. The caller is inside enter/leave or owns the engine.
func (e *Engine) syncLog() error {
	if err := e.fail.err(); err != nil {
		return err
	}
	return e.guard(func() error { return e.db.LogData(nil, pebble.Sync) })
}

// enter marks the begin of a call; Close waits for its leave.
func (e *Engine) enter() error {
	e.life.RLock()
	if e.closed {
		e.life.RUnlock()
		return ErrClosed
	}
	return nil
}

func (e *Engine) leave() { e.life.RUnlock() }

// Close syncs and closes. It waits for calls, cuts and flushes under way;
// iterators and snapshots must be closed before. Calling it again is harmless.
func (e *Engine) Close() error {
	e.fs.abandon()
	if !e.lockForClose() {
		return fmt.Errorf("close engine %s: calls still wait for space: %w", e.dir, e.fs.patient.refuse())
	}
	if e.closed {
		e.life.Unlock()
		return nil
	}
	e.closed = true
	e.life.Unlock()
	if e.fail.err() != nil {
		return e.closeFailed()
	}
	closed := make(chan error, 1)
	go func() { // ends when there is space
		e.work.Wait()
		closed <- errors.Join(e.syncer.close(), e.guard(e.db.Close))
	}()
	if err := e.awaitSpace(closed); err != nil {
		return fmt.Errorf("close engine %s: %w", e.dir, translate(err))
	}
	return nil
}

// awaitSpace waits for the end of Pebble, unless the disk stays full: then what was
// written last, and not asked to be synced, is lost when the process ends.
func (e *Engine) awaitSpace(closed <-chan error) error {
	tick := time.NewTicker(retryFull)
	defer tick.Stop()
	for full := time.Duration(0); full < closeFailedWait; {
		select {
		case err := <-closed:
			return err
		case <-tick.C:
		}
		full += retryFull
		if !e.fs.patient.full.Load() {
			full = 0
		}
	}
	return apierror.New(apierror.NoSpace, "the disk is full and has not all of the last writes")
}

// lockForClose waits for the calls under way; false when they wait for space on a
// full disk and there is none soon.
func (e *Engine) lockForClose() bool {
	for range closeFailedWait / retryFull {
		if e.life.TryLock() {
			return true
		}
		if !e.fs.patient.full.Load() {
			break
		}
		<-time.After(retryFull)
	}
	if e.fs.patient.full.Load() {
		return false
	}
	e.life.Lock()
	return true
}

// refuse is the error with which a new write or cut is refused.
func (e *Engine) refuse() error {
	if err := e.fail.refuse(); err != nil {
		return err
	}
	return e.fs.patient.refuse()
}
