package diskhealth

import (
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hanging is a disk on which operations of one kind wait for goOn.
func hanging(kind errorfs.OpKind, goOn <-chan struct{}) vfs.FS {
	return errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == kind {
			<-goOn
		}
		return nil
	}))
}

// Every operation that changes the disk is seen while it does not end, and no longer.
func TestUnfinishedOperationsAreSeen(t *testing.T) {
	open := func(fs vfs.FS) vfs.File {
		f, err := fs.OpenReadWrite("f", vfs.WriteCategoryUnspecified)
		if err != nil {
			panic(err)
		}
		return f
	}
	for name, c := range map[string]struct {
		kind errorfs.OpKind
		do   func(fs vfs.FS, f vfs.File) error
	}{
		"create":      {errorfs.OpCreate, func(fs vfs.FS, _ vfs.File) error { f, err := fs.Create("g", ""); _ = f; return err }},
		"write":       {errorfs.OpFileWrite, func(_ vfs.FS, f vfs.File) error { _, err := f.Write([]byte("x")); return err }},
		"write at":    {errorfs.OpFileWriteAt, func(_ vfs.FS, f vfs.File) error { _, err := f.WriteAt([]byte("x"), 0); return err }},
		"preallocate": {errorfs.OpFilePreallocate, func(_ vfs.FS, f vfs.File) error { return f.Preallocate(0, 10) }},
		"sync":        {errorfs.OpFileSync, func(_ vfs.FS, f vfs.File) error { return f.Sync() }},
		"sync data":   {errorfs.OpFileSyncData, func(_ vfs.FS, f vfs.File) error { return f.SyncData() }},
		"sync to":     {errorfs.OpFileSyncTo, func(_ vfs.FS, f vfs.File) error { _, err := f.SyncTo(1); return err }},
		"sync a directory": {errorfs.OpFileSync, func(fs vfs.FS, _ vfs.File) error {
			d, err := fs.OpenDir("")
			if err == nil {
				err = d.Sync()
			}
			return err
		}},
		"rename": {errorfs.OpRename, func(fs vfs.FS, _ vfs.File) error { return fs.Rename("f", "g") }},
		"link":   {errorfs.OpLink, func(fs vfs.FS, _ vfs.File) error { return fs.Link("f", "g") }},
		"mkdir":  {errorfs.OpMkdirAll, func(fs vfs.FS, _ vfs.File) error { return fs.MkdirAll("d", 0o700) }},
		"reuse": {errorfs.OpReuseForWrite, func(fs vfs.FS, _ vfs.File) error {
			f, err := fs.ReuseForWrite("f", "g", "")
			_ = f
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubbles.Test(t, func(t *testing.T) {
				var told []*Hang
				w := NewWatch(func(h *Hang) { told = append(told, h) })
				defer w.Close()
				w.SetLimit(2 * time.Second)
				goOn := make(chan struct{})
				fs := w.FS(hanging(c.kind, goOn))
				f := open(fs)
				done := make(chan error, 1)
				go func() { done <- c.do(fs, f) }()
				time.Sleep(1999 * time.Millisecond)
				require.Nil(t, w.Hang())
				require.NoError(t, w.Refusal())
				time.Sleep(time.Millisecond)
				require.NotNil(t, w.Hang())
				require.Equal(t, 2*time.Second, time.Since(w.Hang().Since))
				require.ErrorIs(t, w.Refusal(), apierror.ServiceUnavailable)
				<-w.Hung()
				synctest.Wait()
				require.Len(t, told, 1)
				close(goOn)
				require.NoError(t, <-done)
				require.Nil(t, w.Hang())
				select {
				case <-w.Hung():
					require.Fail(t, "it answers, but counts as hung")
				default:
				}
				synctest.Wait()
				require.Len(t, told, 2)
				require.Nil(t, told[1])
			})
		})
	}
}

// A disk on which one slow operation follows the other does not hang, nor does one that
// answers with errors.
func TestSlowOrFullIsNoHang(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		w := NewWatch(func(*Hang) { t.Error("it does not hang") })
		defer w.Close()
		w.SetLimit(time.Second)
		slow := w.FS(errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileSync {
				time.Sleep(900 * time.Millisecond)
			}
			if op.Kind == errorfs.OpFileWrite {
				return syscall.ENOSPC
			}
			return nil
		})))
		f, err := slow.Create("f", "")
		require.NoError(t, err)
		for range 20 {
			require.NoError(t, f.Sync())
			_, err := f.Write([]byte("x"))
			require.ErrorIs(t, err, syscall.ENOSPC)
			require.Nil(t, w.Hang())
		}
	})
}

// The probe writes only where nothing else is synced, and is gone at the end.
func TestProbeWritesOnIdleDisks(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		syncs := 0
		mem := vfs.NewMem()
		counting := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileSyncData {
				syncs++
			}
			return nil
		}))
		w := NewWatch(nil)
		w.Probe(counting, ProbeFile, time.Second, hclog.NewNullLogger())
		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		require.Equal(t, 11, syncs)
		f, err := w.FS(counting).Create("f", "")
		require.NoError(t, err)
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			require.NoError(t, f.Sync())
		}
		synctest.Wait()
		require.LessOrEqual(t, syncs, 12, "another has found out that the disk answers")
		w.Close()
		_, err = mem.Stat(ProbeFile)
		require.Error(t, err)
	})
}
