package engine

import (
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

// full makes a disk on which writes to some files fail, once armed.
func full(mem vfs.FS, armed *atomic.Bool, fired *atomic.Int64, suffix string) vfs.FS {
	return errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		writes := op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpFileWrite
		if !armed.Load() || !writes || !strings.HasSuffix(op.Path, suffix) {
			return nil
		}
		fired.Add(1)
		return &fs.PathError{Op: "write", Path: op.Path, Err: syscall.ENOSPC}
	}))
}

// A log that cannot be written fails the engine, not the process: the commit that
// met it has an unknown outcome and an error, later ones are refused, reads go on.
func TestFullDiskUnderTheLog(t *testing.T) {
	for _, sync := range []bool{true, false} {
		t.Run(fmt.Sprintf("sync=%t", sync), func(t *testing.T) {
			var armed atomic.Bool
			var fired atomic.Int64
			mem := vfs.NewCrashableMem()
			e, err := Open("db", small(full(mem, &armed, &fired, ".log")))
			require.NoError(t, err)
			put(t, e, "before", "1", true)
			armed.Store(true)
			b := e.NewBatch()
			require.NoError(t, b.Set([]byte("during"), nil))
			err = b.Commit(sync)
			if sync {
				require.ErrorIs(t, err, apierror.NoSpace)
			}
			select {
			case <-e.Failed():
			case <-time.After(10 * time.Second):
				t.Fatal("the engine has not noticed")
			}
			require.Positive(t, fired.Load())
			require.ErrorIs(t, e.Err(), apierror.NoSpace)
			b = e.NewBatch()
			require.NoError(t, b.Set([]byte("after"), nil))
			require.ErrorIs(t, b.Commit(false), apierror.NoSpace)
			_, err = e.BeginCut(t.Context(), "piece")
			require.ErrorIs(t, err, apierror.NoSpace)
			require.True(t, has(t, e, "before"))
			require.ErrorIs(t, e.Close(), apierror.NoSpace)

			c := open(t, "db", small(mem.CrashClone(vfs.CrashCloneCfg{})))
			require.True(t, has(t, c, "before"))
			require.False(t, has(t, c, "after"))
		})
	}
}

// A table that cannot be written is tried again: when there is space, all goes on.
func TestFullDiskUnderAFlush(t *testing.T) {
	var armed atomic.Bool
	var fired atomic.Int64
	e := open(t, "db", small(full(vfs.NewMem(), &armed, &fired, ".sst")))
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
	armed.Store(false)
	<-done
	require.NoError(t, e.Err())
	require.Len(t, all(t, e, nil, nil), 2)
}

// Pebble's fatal errors become errors for callers of ours.
func TestFatalErrorsAreCaught(t *testing.T) {
	e := open(t, "db", small(vfs.NewMem()))
	cause := errors.New("bad block")
	err := e.guard(func() error {
		pebbleLogger{e.fail}.Fatalf("commit: %v", cause)
		return nil
	})
	require.ErrorIs(t, err, cause)
	require.ErrorIs(t, e.Err(), cause)
	e.fail = newFailure(e.log) // so that the test can close it
	ended := make(chan struct{})
	go func() { // a goroutine of Pebble's ends, and runs what it deferred
		defer close(ended)
		pebbleLogger{e.fail}.Fatalf("flush: %v", cause)
		panic("not reached")
	}()
	<-ended
	require.ErrorIs(t, e.Err(), cause)
	e.fail = newFailure(e.log)
	e.syncer.fail = e.fail
	require.Panics(t, func() { _ = e.guard(func() error { var m map[int]int; m[0]++; return nil }) }, "mistakes are not hidden")
}
