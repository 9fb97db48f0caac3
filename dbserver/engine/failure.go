package engine

import (
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"
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

// pebbleLogger gives Pebble's messages to the engine's logger. Pebble expects Fatalf not
// to return; Pebble's default ends the process. Here Fatalf marks the engine as failed.
// Then a caller of the engine gets the error through guard, and a goroutine of Pebble's
// own ends.
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

// guard calls do and turns Pebble's fatal errors and its panics about failed log writes
// into errors. Such an engine has failed for good.
func (f *failure) guard(do func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case fatalPanic:
			err = p.err
		case runtime.Error: // a programming error, here or in Pebble
			panic(p)
		case error:
			f.set(p)
			err = p
		default:
			panic(p)
		}
	}()
	return do()
}

// guarded says whether guard is among the callers of this goroutine.
func guarded() bool {
	pcs := make([]uintptr, 128)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.Function, "engine.(*failure).guard") {
			return true
		}
		if !more {
			return false
		}
	}
}
