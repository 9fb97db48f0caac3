package engine

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"stasis/dbserver/diskhealth"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

// stuck opens an engine on a disk on which writes and syncs hang once freeze is called.
func stuck(t *testing.T, memtable uint64) (e *Engine, freeze, thaw func()) {
	t.Helper()
	var mu sync.Mutex
	var thawed chan struct{}
	disk := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		mu.Lock()
		wait := thawed
		mu.Unlock()
		if wait != nil && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			<-wait
		}
		return nil
	}))
	watch := diskhealth.NewWatch(nil)
	t.Cleanup(watch.Close)
	e, err := Open("db", Options{FS: disk, CacheBytes: 1 << 20, MemTableBytes: memtable, Health: watch})
	require.NoError(t, err)
	freeze = func() {
		mu.Lock()
		defer mu.Unlock()
		thawed = make(chan struct{})
	}
	thaw = func() {
		mu.Lock()
		defer mu.Unlock()
		if thawed != nil {
			close(thawed)
			thawed = nil
		}
	}
	return e, freeze, thaw
}

func tryPut(e *Engine, key, value string, sync bool) error {
	b := e.NewBatch()
	if err := b.Set([]byte(key), []byte(value)); err != nil {
		return err
	}
	return b.Commit(sync)
}

// A commit that asks for the disk, and a sync, are given up when the disk hangs; what
// follows is refused. When the disk answers everything goes on, and nothing is lost.
func TestCallsAreGivenUpWhenTheDiskHangs(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		e, freeze, thaw := stuck(t, 1<<20)
		defer thaw()
		put(t, e, "before", "1", true)
		require.NoError(t, e.Alive())
		freeze()
		begun := time.Now()
		require.NoError(t, tryPut(e, "in memory", "1", false))
		given := make(chan error, 2)
		go func() { given <- tryPut(e, "during", "1", true) }()
		go func() { given <- e.SyncAll() }()
		time.Sleep(1100 * time.Millisecond)
		require.ErrorContains(t, e.Admit(), "nothing was written: what was acknowledged here")
		require.ErrorIs(t, e.Admit(), ErrRefused)
		require.ErrorIs(t, e.Alive(), apierror.ServiceUnavailable)
		for range 2 {
			err := <-given
			require.ErrorIs(t, err, ErrAbandoned)
			require.ErrorIs(t, err, apierror.ServiceUnavailable)
		}
		require.Less(t, time.Since(begun), 4*time.Second)
		require.False(t, e.Settled())
		err := tryPut(e, "refused", "1", false)
		require.ErrorIs(t, err, ErrRefused)
		require.ErrorIs(t, e.SyncAll(), apierror.ServiceUnavailable)
		_, err = e.BeginCut(t.Context(), "piece")
		require.ErrorIs(t, err, apierror.ServiceUnavailable)
		require.True(t, has(t, e, "before"), "reads go on")

		thaw()
		synctest.Wait()
		time.Sleep(time.Second)
		require.True(t, e.Settled())
		require.NoError(t, e.Admit())
		require.NoError(t, e.Alive())
		require.True(t, has(t, e, "in memory"))
		require.True(t, has(t, e, "during"), "what was given up was done after all")
		require.False(t, has(t, e, "refused"))
		require.NoError(t, e.Close())
	})
}

// Pebble itself waits for the disk, in the rotation of a log, under a mutex: the commit that
// met it is given up, and so are those that come after it.
func TestCommitInsideTheEngineIsGivenUp(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		e, freeze, thaw := stuck(t, 256<<10)
		defer thaw()
		put(t, e, "before", "1", true)
		freeze()
		writers := make(chan error, 4)
		for w := range cap(writers) {
			go func() {
				var err error
				for i := 0; err == nil && i < 1000; i++ {
					err = tryPut(e, fmt.Sprint("k", w, "-", i), strings.Repeat("x", 10_000), w%2 == 0)
				}
				writers <- err
			}()
		}
		var abandoned int
		for range cap(writers) {
			err := <-writers
			require.Error(t, err)
			if errors.Is(err, ErrAbandoned) {
				abandoned++
			}
		}
		require.GreaterOrEqual(t, abandoned, 2, "one rotates, and others wait for it")
		require.False(t, e.Settled())
		thaw()
		time.Sleep(time.Second)
		require.True(t, e.Settled())
		require.NoError(t, tryPut(e, "after", "1", true))
		require.NoError(t, e.Close())
	})
}

// What comes to a failed engine does not wait for what failed in it, and is not let in before
// the failure is known: Pebble may have kept its mutex.
func TestFailedPipelineLetsInNoMore(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		fail := newFailure(hclog.NewNullLogger())
		p := newPipeline(nil, fail)
		require.Panics(t, func() { _ = p.inTurn(func() error { panic("in Pebble") }) })
		waits := make(chan error, 1)
		go func() { waits <- p.inTurn(func() error { return errors.New("it was let in") }) }()
		synctest.Wait()
		fail.set(errors.New("the disk is broken"))
		require.ErrorContains(t, <-waits, "the disk is broken")
	})
}

// Close ends within a bound and says why; the rest is done when the disk answers.
func TestCloseOfAHangingDisk(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		e, freeze, thaw := stuck(t, 1<<20)
		defer thaw()
		freeze()
		require.NoError(t, tryPut(e, "k", "1", false))
		begun := time.Now()
		err := e.Close()
		require.ErrorContains(t, err, "has not all of the last writes")
		require.ErrorIs(t, err, apierror.ServiceUnavailable)
		require.Less(t, time.Since(begun), 6*time.Second)
		fs := e.options.FS
		thaw()
		time.Sleep(time.Second)
		again, err := Open("db", Options{FS: fs, CacheBytes: 1 << 20})
		require.NoError(t, err, "the directory is free")
		require.True(t, has(t, again, "k"))
		require.NoError(t, again.Close())
	})
}

// A write stall is no hang: the calls wait inside the engine, the disk has nothing to do.
// New writes are refused once the last sync is too old; the replica counts on.
func TestStallIsNoHang(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		e, _, _ := stuck(t, 1<<20)
		stop, goOn := e.syncer.sync, make(chan struct{})
		e.syncer.sync = func() error { <-goOn; return stop() }
		require.NoError(t, tryPut(e, "k", "1", false))
		time.Sleep(30 * time.Second)
		require.NoError(t, e.Alive())
		require.Nil(t, e.options.Health.Hang())
		err := e.Admit()
		require.ErrorIs(t, err, ErrRefused)
		require.ErrorContains(t, err, "the engine waits, though no operation of the disk is late")
		close(goOn)
		time.Sleep(time.Second)
		require.NoError(t, e.Admit())
		require.NoError(t, errors.Join(e.SyncAll(), e.Close()))
	})
}
