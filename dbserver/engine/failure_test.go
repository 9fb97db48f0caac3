package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"stasis/internal/apierror"
)

// broken makes a disk on which writes to some files fail with cause, once armed.
func broken(mem vfs.FS, armed *atomic.Bool, fired *atomic.Int64, cause error, suffix string) vfs.FS {
	return errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		writes := op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpReuseForWrite
		if !armed.Load() || !writes || !strings.HasSuffix(op.Path, suffix) {
			return nil
		}
		fired.Add(1)
		return &fs.PathError{Op: "write", Path: op.Path, Err: cause}
	}))
}

// A log that cannot be written fails the engine, not the process: the commit that
// met it has an unknown outcome and an error, later ones are refused, reads go on.
func TestBrokenLog(t *testing.T) {
	for _, sync := range []bool{true, false} {
		t.Run(fmt.Sprintf("sync=%t", sync), func(t *testing.T) {
			var armed atomic.Bool
			var fired atomic.Int64
			mem := vfs.NewCrashableMem()
			e, err := Open("db", small(broken(mem, &armed, &fired, syscall.EIO, ".log")))
			require.NoError(t, err)
			put(t, e, "before", "1", true)
			armed.Store(true)
			b := e.NewBatch()
			require.NoError(t, b.Set([]byte("during"), nil))
			err = b.Commit(sync)
			if sync {
				require.ErrorIs(t, err, syscall.EIO)
			}
			select {
			case <-e.Failed():
			case <-time.After(time.Minute):
				t.Fatal("the engine has not noticed")
			}
			require.Positive(t, fired.Load())
			require.ErrorIs(t, e.Err(), syscall.EIO)
			b = e.NewBatch()
			require.NoError(t, b.Set([]byte("after"), nil))
			require.ErrorIs(t, b.Commit(false), syscall.EIO)
			_, err = e.BeginCut(t.Context(), "piece")
			require.ErrorIs(t, err, syscall.EIO)
			require.ErrorIs(t, e.PrepareCut(t.Context()), syscall.EIO)
			require.True(t, has(t, e, "before"))
			require.ErrorIs(t, e.Close(), syscall.EIO)

			c := open(t, "db", small(mem.CrashClone(vfs.CrashCloneCfg{})))
			require.True(t, has(t, c, "before"))
			require.False(t, has(t, c, "after"))
		})
	}
}

// A full disk under the log or the manifest makes the writes that run wait and
// refuses new ones; when there is space again all goes on and nothing is lost.
func TestFullDiskUnderTheLog(t *testing.T) {
	for name, begin := range map[string]func(*Engine) error{
		"commit": func(e *Engine) error {
			b := e.NewBatch()
			if err := b.Set([]byte("during"), nil); err != nil {
				return err
			}
			return b.Commit(true)
		},
		"rotation": func(e *Engine) error { return e.PrepareCut(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			var armed atomic.Bool
			var fired atomic.Int64
			e := open(t, "db", small(broken(vfs.NewMem(), &armed, &fired, syscall.ENOSPC, ".log")))
			put(t, e, "before", "1", true)
			armed.Store(true)
			waiting := make(chan error, 1)
			go func() { waiting <- begin(e) }()
			for fired.Load() < 3 {
				select {
				case err := <-waiting:
					t.Fatalf("did not wait: %v", err)
				case <-time.After(time.Millisecond):
				}
			}
			b := e.NewBatch()
			require.NoError(t, b.Set([]byte("refused"), nil))
			require.ErrorIs(t, b.Commit(false), apierror.NoSpace)
			_, err := e.BeginCut(t.Context(), "piece")
			require.ErrorIs(t, err, apierror.NoSpace)
			require.True(t, has(t, e, "before"), "reads go on")
			armed.Store(false)
			require.NoError(t, <-waiting)
			put(t, e, "later", "1", true)
			require.False(t, has(t, e, "refused"))
			require.NoError(t, e.Err())
		})
	}
}

// Close does not wait for a full disk for ever, also when it is only the background
// sync that waits, or the end of the log.
func TestCloseOnAFullDisk(t *testing.T) {
	for name, unsynced := range map[string]bool{"unsynced writes": true, "nothing to sync": false} {
		t.Run(name, func(t *testing.T) {
			var armed atomic.Bool
			var fired atomic.Int64
			e, err := Open("db", small(broken(vfs.NewMem(), &armed, &fired, syscall.ENOSPC, ".log")))
			require.NoError(t, err)
			put(t, e, "before", "1", true)
			armed.Store(true)
			if unsynced {
				put(t, e, "acknowledged", "1", false)
			}
			begun := time.Now()
			err = e.Close()
			require.ErrorIs(t, err, apierror.NoSpace)
			require.Less(t, time.Since(begun), time.Minute)
			armed.Store(false) // lets go of what Close left behind
		})
	}
}

// A table that cannot be written is tried again: when there is space, all goes on.
func TestFullDiskUnderAFlush(t *testing.T) {
	var armed atomic.Bool
	var fired atomic.Int64
	e := open(t, "db", small(broken(vfs.NewMem(), &armed, &fired, syscall.ENOSPC, ".sst")))
	put(t, e, "a", "1", true)
	armed.Store(true)
	done, err := e.db.AsyncFlush()
	require.NoError(t, err)
	for fired.Load() == 0 {
		select {
		case <-done:
			t.Fatal("the flush did not meet the full disk")
		case <-time.After(time.Millisecond):
		}
	}
	put(t, e, "b", "1", true)
	tries, begun := fired.Load(), time.Now()
	for fired.Load() < tries+2 {
		<-time.After(time.Millisecond)
	}
	require.GreaterOrEqual(t, time.Since(begun), retryFull, "the flush is tried again without a pause")
	armed.Store(false)
	<-done
	require.NoError(t, e.Err())
	require.Len(t, all(t, e, nil, nil), 2)
}

// Pebble's fatal errors become errors for callers of ours.
func TestFatalErrorsAreCaught(t *testing.T) {
	e := open(t, "db", small(vfs.NewMem()))
	cause := errors.New("bad block")
	err := e.fail.guard(func() error {
		pebbleLogger{e.fail}.Fatalf("commit: %v", cause)
		return nil
	})
	require.ErrorIs(t, err, cause)
	require.ErrorIs(t, e.Err(), cause)
	e.fail = newFailure(e.options.Logger) // so that the test can close it
	ended := make(chan struct{})
	go func() { // a goroutine of Pebble's ends, and runs what it deferred
		defer close(ended)
		pebbleLogger{e.fail}.Fatalf("flush: %v", cause)
		panic("not reached")
	}()
	<-ended
	require.ErrorIs(t, e.Err(), cause)
	e.fail = newFailure(e.options.Logger)
	e.syncer.fail, e.calls.fail = e.fail, e.fail
	require.Panics(t, func() { _ = e.fail.guard(func() error { var none []int; none[len(none)]++; return nil }) }, "mistakes are not hidden")
}
