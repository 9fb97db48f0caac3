package fault_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/fault"
	"stasis/internal/bubbles"
)

const unspecified = vfs.WriteCategoryUnspecified

// calls are all calls of a disk, by kind. Each is made on a disk that has a file f, which is open.
var calls = map[fault.Kind]map[string]func(fs vfs.FS, f vfs.File) error{
	fault.Create: {
		"create": func(fs vfs.FS, _ vfs.File) error { f, err := fs.Create("new", unspecified); return closed(f, err) },
		"open":   func(fs vfs.FS, _ vfs.File) error { f, err := fs.OpenReadWrite("f", unspecified); return closed(f, err) },
		"reuse": func(fs vfs.FS, _ vfs.File) error {
			f, err := fs.ReuseForWrite("f", "g", unspecified)
			return closed(f, err)
		},
		"lock": func(fs vfs.FS, _ vfs.File) error {
			l, err := fs.Lock("lock")
			if err != nil {
				return err
			}
			return l.Close()
		},
	},
	fault.Write: {
		"write":       func(_ vfs.FS, f vfs.File) error { _, err := f.Write([]byte("x")); return err },
		"preallocate": func(_ vfs.FS, f vfs.File) error { return f.Preallocate(0, 10) },
		"write at": func(fs vfs.FS, _ vfs.File) error {
			f, err := fs.OpenReadWrite("f", unspecified)
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte("x"), 1)
			return errors.Join(err, f.Close())
		},
	},
	fault.Sync: {
		"sync":      func(_ vfs.FS, f vfs.File) error { return f.Sync() },
		"sync data": func(_ vfs.FS, f vfs.File) error { return f.SyncData() },
		"sync to":   func(_ vfs.FS, f vfs.File) error { _, err := f.SyncTo(1); return err },
		"folder": func(fs vfs.FS, _ vfs.File) error {
			d, err := fs.OpenDir(".")
			if err != nil {
				return err
			}
			return errors.Join(d.Sync(), d.Close())
		},
	},
	fault.Rename: {"rename": func(fs vfs.FS, _ vfs.File) error { return fs.Rename("f", "g") }},
	fault.Link:   {"link": func(fs vfs.FS, _ vfs.File) error { return fs.Link("f", "g") }},
	fault.Remove: {
		"remove":     func(fs vfs.FS, _ vfs.File) error { return fs.Remove("f") },
		"remove all": func(fs vfs.FS, _ vfs.File) error { return fs.RemoveAll("f") },
	},
	fault.Mkdir: {"mkdir": func(fs vfs.FS, _ vfs.File) error { return fs.MkdirAll("d", 0o700) }},
	fault.Open: {
		"open":     func(fs vfs.FS, _ vfs.File) error { f, err := fs.Open("f"); return closed(f, err) },
		"open dir": func(fs vfs.FS, _ vfs.File) error { f, err := fs.OpenDir("."); return closed(f, err) },
	},
	fault.Read: {
		"read":    func(_ vfs.FS, f vfs.File) error { _, err := f.ReadAt(make([]byte, 1), 0); return err },
		"in turn": func(fs vfs.FS, _ vfs.File) error { _, err := readAll(fs, "f"); return err },
	},
	fault.List: {"list": func(fs vfs.FS, _ vfs.File) error { _, err := fs.List("/"); return err }},
	fault.Stat: {
		"stat": func(fs vfs.FS, _ vfs.File) error { _, err := fs.Stat("f"); return err },
		"file": func(_ vfs.FS, f vfs.File) error { _, err := f.Stat(); return err },
	},
}

func closed(f vfs.File, err error) error {
	if err != nil {
		return err
	}
	return f.Close()
}

func readAll(fs vfs.FS, name string) (string, error) {
	f, err := fs.Open(name)
	if err != nil {
		return "", err
	}
	raw, err := io.ReadAll(f)
	return string(raw), errors.Join(err, f.Close())
}

// put writes a file without syncing it.
func put(t *testing.T, fs vfs.FS, name, content string) vfs.File {
	t.Helper()
	f, err := fs.Create(name, unspecified)
	require.NoError(t, err)
	_, err = f.Write([]byte(content))
	require.NoError(t, err)
	return f
}

// Each kind of call fails with the error that was set and has no effect, counts as met, and works when the
// fault has ended. Calls of all other kinds are not concerned.
func TestCallsFail(t *testing.T) {
	broken := errors.New("broken")
	for kind, of := range calls {
		for name, call := range of {
			t.Run(fmt.Sprint(kind, " ", name), func(t *testing.T) {
				disk := fault.NewDisk()
				fs := disk.FS()
				f := put(t, fs, "f", "content")
				others := disk.Fail(fault.Calls{Kinds: fault.Any &^ (kind | fault.Open | fault.Create)}, errors.New("another kind"))
				failing := disk.Fail(fault.Calls{Kinds: kind}, broken)
				err := call(fs, f)
				require.ErrorIs(t, err, broken)
				require.Equal(t, 1, failing.Met())
				require.Zero(t, others.Met())
				select {
				case <-failing.Reached():
				default:
					t.Fatal("it was met")
				}
				failing.End()
				others.End()
				failing.End() // again is harmless
				content, err := readAll(fs, "f")
				require.NoError(t, err)
				require.Equal(t, "content", content)
				require.NoError(t, call(fs, f))
				require.Equal(t, 1, failing.Met())
			})
		}
	}
}

// Without kinds a fault concerns all that change something; a path and a count narrow it down. The error names operation and path.
func TestCallsAreSelected(t *testing.T) {
	disk := fault.NewDisk()
	fs := disk.FS()
	a, b := put(t, fs, "a.log", "a"), put(t, fs, "b.sst", "b")
	broken := errors.New("broken")
	f := disk.Fail(fault.Calls{Path: func(path string) bool { return strings.HasSuffix(path, ".log") }, After: 2}, broken)
	_, err := readAll(fs, "a.log")
	require.NoError(t, err, "it changes nothing")
	require.NoError(t, b.Sync(), "another path")
	require.NoError(t, a.Sync(), "the first passes")
	require.NoError(t, fs.Rename("b.sst", "b.log"), "the second passes: one of its paths is selected")
	err = a.Sync()
	require.ErrorIs(t, err, broken)
	require.EqualError(t, err, "sync a.log: broken")
	require.ErrorIs(t, fs.Remove("a.log"), broken)
	require.Equal(t, 2, f.Met())
	disk.HealAll()
	require.NoError(t, fs.Remove("a.log"))
}

// The bytes that fit are written, and no more; there is no room for names either. What was there can be read and removed.
func TestFullDisk(t *testing.T) {
	disk := fault.NewDisk()
	fs := disk.FS()
	f := put(t, fs, "f", "before")
	full := disk.Fill(fault.Calls{}, 5)
	n, err := f.Write([]byte("abc"))
	require.NoError(t, err)
	require.Equal(t, 3, n)
	usage, err := fs.GetDiskUsage("f")
	if err == nil { // a disk in memory does not know its size
		require.EqualValues(t, 2, usage.AvailBytes)
	}
	n, err = f.Write([]byte("defg"))
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.Equal(t, 2, n)
	n, err = f.Write([]byte("h"))
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.Zero(t, n)
	_, err = fs.Create("g", unspecified)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorIs(t, fs.MkdirAll("d", 0o700), syscall.ENOSPC)
	require.ErrorIs(t, fs.Link("f", "g"), syscall.ENOSPC)
	require.Equal(t, 5, full.Met())
	content, err := readAll(fs, "f")
	require.NoError(t, err)
	require.Equal(t, "beforeabcde", content)
	require.NoError(t, fs.Rename("f", "g"))
	require.NoError(t, fs.Remove("g"))
	full.End()
	put(t, fs, "f", "after")
}

// A crash takes what was not synced, files and names; what runs on does not reach the disk of the next start.
func TestCrashLosesWhatWasNotSynced(t *testing.T) {
	disks := fault.NewDisks()
	disk, fs := disks.Of("s"), disks.FS("s")
	sync := func(name string) {
		d, err := fs.OpenDir(name)
		require.NoError(t, err)
		require.NoError(t, errors.Join(d.Sync(), d.Close()))
	}
	kept := put(t, fs, "kept", "synced")
	require.NoError(t, kept.Sync())
	sync(".")
	_, err := kept.Write([]byte(", not synced"))
	require.NoError(t, err)
	nameless := put(t, fs, "nameless", "synced")
	require.NoError(t, nameless.Sync()) // its folder was not

	require.NoError(t, disk.Crash(0, nil))
	_, err = kept.Write([]byte(", after the crash"))
	require.NoError(t, err)
	require.NoError(t, kept.Sync())
	after := disks.FS("s")
	content, err := readAll(after, "kept")
	require.NoError(t, err)
	require.Equal(t, "synced", content)
	_, err = after.Stat("nameless")
	require.ErrorIs(t, err, os.ErrNotExist)

	// All that was not synced may as well be left.
	require.NoError(t, put(t, after, "late", "not synced").Close())
	require.NoError(t, disk.Crash(100, rand.New(rand.NewPCG(1, 2))))
	content, err = readAll(disks.FS("s"), "late")
	require.NoError(t, err)
	require.Equal(t, "not synced", content)
}

// Faults of a disk outlive a crash, and those of one server are no other's.
func TestFaultsOutliveACrash(t *testing.T) {
	disks, broken := fault.NewDisks(), errors.New("broken")
	disks.Of("a").Fail(fault.Calls{}, broken)
	require.NoError(t, disks.Of("a").Crash(0, nil))
	require.ErrorIs(t, disks.FS("a").MkdirAll("d", 0o700), broken)
	require.NoError(t, disks.FS("b").MkdirAll("d", 0o700))
	disks.HealAll()
	require.NoError(t, disks.FS("a").MkdirAll("d", 0o700))
}

// What hangs does so until the fault ends, and no longer; what is slow takes exactly so much longer.
func TestHangAndSlow(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		disk := fault.NewDisk()
		fs := disk.FS()
		f := put(t, fs, "f", "x")
		hung := disk.Hang(fault.Calls{Kinds: fault.Sync})
		result := make(chan error, 1)
		go func() { result <- f.Sync() }()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(t, result, "it hangs")
		require.Equal(t, 1, hung.Met())
		_, err := readAll(fs, "f")
		require.NoError(t, err, "reads go on")
		hung.End()
		require.NoError(t, <-result)

		slow := disk.Slow(fault.Calls{Kinds: fault.Sync}, 70*time.Millisecond)
		begun := time.Now()
		require.NoError(t, f.Sync())
		require.Equal(t, 70*time.Millisecond, time.Since(begun))
		require.Equal(t, 1, slow.Met())
		go func() { result <- f.Sync() }()
		synctest.Wait()
		slow.End()
		require.NoError(t, <-result)
		require.Equal(t, 70*time.Millisecond, time.Since(begun), "its end ends the pause")
	})
}

// A function is called before the call that it is for.
func TestDo(t *testing.T) {
	disk := fault.NewDisk()
	fs := disk.FS()
	var seen []string
	disk.Do(fault.Calls{Kinds: fault.Create}, func(path string) {
		_, err := fs.Stat(path)
		seen = append(seen, fmt.Sprint(path, " is there: ", err == nil))
	})
	put(t, fs, "f", "")
	require.Equal(t, []string{"f is there: false"}, seen)
}

// A real disk fails as one in memory, and does not crash.
func TestRealDisk(t *testing.T) {
	disks := fault.WrapDisks(vfs.Default)
	path := filepath.Join(t.TempDir(), "f")
	full := disks.Of("s").Fill(fault.Calls{}, 3)
	f, err := disks.FS("s").Create(path, unspecified)
	require.NoError(t, err)
	_, err = f.Write([]byte("abcd"))
	var where *fs.PathError
	require.ErrorAs(t, err, &where)
	require.Equal(t, path, where.Path)
	usage, err := disks.FS("s").GetDiskUsage(path)
	require.NoError(t, err)
	require.Zero(t, usage.AvailBytes)
	require.NoError(t, f.Close())
	require.Equal(t, 1, full.Met())
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "abc", string(raw))
	require.ErrorContains(t, disks.Of("s").Crash(0, nil), "only a disk in memory")
	require.Equal(t, vfs.Default, vfs.Root(disks.FS("s")))
}
