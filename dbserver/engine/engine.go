package engine

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

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
	work    sync.WaitGroup // goroutines of cuts, flushes and calls that may be given up

	workers   workers
	abandoned atomic.Int64 // calls that were given up and have not ended

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
	switch {
	case o.ReadOnly:
		e.fs.FS = readOnlyFS{o.FS}
	case o.Health != nil:
		e.fs.FS = o.Health.FS(o.FS)
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
	if e.syncer.clean() {
		return nil
	}
	if err := e.hung(); err != nil {
		return err
	}
	return e.patiently(e.syncer.syncAll)
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

// refuse is the error with which a new write or cut is refused.
func (e *Engine) refuse() error {
	if err := e.fail.refuse(); err != nil {
		return err
	}
	if err := e.fs.patient.refuse(); err != nil {
		return err
	}
	if !e.Settled() {
		return apierror.New(apierror.ServiceUnavailable, "the disk of this server hung, and has not done yet what it was asked before")
	}
	return e.hung()
}
