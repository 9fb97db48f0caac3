package engine

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/hashicorp/go-hclog"

	"stasis/internal/apierror"
)

// failure keeps the first fatal error of an engine.
type failure struct {
	log   hclog.Logger
	ch    chan struct{}
	mu    sync.Mutex
	fatal error
}

func newFailure(log hclog.Logger) *failure { return &failure{log: log, ch: make(chan struct{})} }

func (f *failure) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fatal != nil {
		return
	}
	f.fatal = fmt.Errorf("engine failed: %w", translate(err))
	f.log.Error("engine failed", "error", err)
	close(f.ch)
}

func (f *failure) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fatal
}

// refuse is the error with which a new write is refused, nil if it may go on.
func (f *failure) refuse() error {
	select {
	case <-f.ch:
		return f.err()
	default:
		return nil
	}
}

// pebbleLogger gives Pebble's messages to ours. Pebble expects Fatalf not to
// return; the default ends the process. Here the engine is marked as failed. Then
// a caller of ours gets the error through guard, and a goroutine of Pebble ends.
type pebbleLogger struct{ fail *failure }

func (l pebbleLogger) Infof(format string, args ...any) {
	if l.fail.log.IsTrace() {
		l.fail.log.Trace(fmt.Sprintf(format, args...))
	}
}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.fail.log.Warn(fmt.Sprintf(format, args...))
}

func (l pebbleLogger) Fatalf(format string, args ...any) {
	err := fatalError(format, args)
	l.fail.set(err)
	if guarded() {
		panic(fatalPanic{err})
	}
	runtime.Goexit()
}

// fatalError keeps the error among the arguments in the chain.
func fatalError(format string, args []any) error {
	for _, a := range args {
		if cause, ok := a.(error); ok {
			return fmt.Errorf("%s%w", strings.TrimSuffix(fmt.Sprintf(format, args...), cause.Error()), cause)
		}
	}
	return fmt.Errorf(format, args...)
}

// fatalPanic carries a fatal error from Pebble's logger to guard.
type fatalPanic struct{ err error }

// guard runs f and turns Pebble's fatal errors and its panics about failed log
// writes into errors. Such an engine is failed for good.
func (e *Engine) guard(f func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case fatalPanic:
			err = p.err
		case runtime.Error: // a mistake of ours or of Pebble's
			panic(p)
		case error:
			e.fail.set(p)
			err = p
		default:
			panic(p)
		}
	}()
	return f()
}

// guarded says whether the calling goroutine has a guard below it.
func guarded() bool {
	pcs := make([]uintptr, 128)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.Function, "engine.(*Engine).guard") {
			return true
		}
		if !more {
			return false
		}
	}
}

// closeFailedWait is how long Close waits for Pebble when the disk has failed.
const closeFailedWait = time.Second

// closeFailed lets go of an engine whose disk failed. Where a fatal error ended
// one of Pebble's goroutines, its shutdown waits for ever: then what it holds,
// the lock of the directory among it, is lost to the process until that ends.
func (e *Engine) closeFailed() error {
	close(e.syncer.stop)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		<-e.syncer.done
		e.work.Wait()
		if err := e.guard(e.db.Close); err != nil {
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

// translate gives errors of the disk the numbers of the wire.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pebble.ErrClosed):
		return ErrClosed
	case errors.Is(err, syscall.ENOSPC):
		return apierror.New(apierror.NoSpace, "no space left on disk: %w", err)
	case strings.Contains(err.Error(), detailCarrier):
		return oneLine{err}
	}
	return err
}

// detailCarrier is what Pebble's errors of corruption end with: it carries details for
// programs and says nothing to people.
const detailCarrier = "<corruption detail carrier>"

// oneLine is an error of Pebble without that.
type oneLine struct{ error }

func (e oneLine) Error() string {
	return strings.ReplaceAll(strings.ReplaceAll(e.error.Error(), "\n"+detailCarrier, ""), detailCarrier, "")
}

func (e oneLine) Unwrap() error { return e.error }

// events are Pebble's reports that we follow.
func (e *Engine) events() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) { e.options.Logger.Error("flush or compaction", "error", err) },
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			e.options.Logger.Error("corrupt file", "path", i.Path, "error", i.Details)
		},
		DiskSlow:        func(i pebble.DiskSlowInfo) { e.options.Logger.Warn("disk is slow", "operation", i.String()) },
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) { e.options.Logger.Warn("writers stall", "reason", i.Reason) },
		WALCreated: func(i pebble.WALCreateInfo) {
			if i.Err == nil {
				e.lastLog.Store(uint64(i.FileNum))
			}
		},
	}
}
