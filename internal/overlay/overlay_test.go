package overlay

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
)

func mounted(t *testing.T, m Mount) *FS {
	t.Helper()
	over, err := New(m)
	require.NoError(t, err)
	return over
}

// What the model of a file system does to folders, and no file system does, is refused and changes nothing.
func TestFoldersAreKept(t *testing.T) {
	below := vfs.NewMem()
	populate(t, below)
	over := mounted(t, Mount{At: "/", FS: below, Dir: "/"})
	was := tree(t, over, "/")
	_, err := over.Create("/a", vfs.WriteCategoryUnspecified)
	for what, err := range map[string]error{
		"create over a folder":               err,
		"a file to a folder":                 over.Rename("/f", "/a"),
		"a folder to a file":                 over.Rename("/a", "/f"),
		"a folder into itself":               over.Rename("/a", "/a/b/c"),
		"a folder to one with entries":       over.Rename("/c", "/a"),
		"into a folder that is missing":      over.Rename("/f", "/none/f"),
		"what is missing":                    over.Rename("/none", "/n"),
		"a link to a folder":                 over.Link("/a", "/n"),
		"a folder with entries":              over.Remove("/a"),
		"through a file":                     over.MkdirAll("/f/x", 0o700),
		"the root":                           over.Remove("/"),
		"a link over a file":                 over.Link("/f", "/g"),
		"a link to what is missing":          over.Link("/none", "/n"),
		"removing what was removed or never": over.Remove("/none"),
	} {
		require.Error(t, err, what)
	}
	require.Equal(t, was, tree(t, over, "/"))
	require.NoError(t, over.RemoveAll("/none/at/all"))
	require.NoError(t, over.MkdirAll("/empty", 0o700))
	require.NoError(t, over.Rename("/a", "/empty"), "over an empty folder")
	require.Equal(t, "content of /a/b/f", contents(t, over, "/empty/b/f"))
	_, err = over.Stat("/a")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// A folder that was removed and made again has nothing of what is below.
func TestFolderThatIsMadeAgainIsEmpty(t *testing.T) {
	below := vfs.NewMem()
	populate(t, below)
	over := mounted(t, Mount{At: "/", FS: below, Dir: "/"})
	require.NoError(t, over.RemoveAll("/a"))
	require.NoError(t, over.MkdirAll("/a/b", 0o700))
	require.Equal(t, map[string]string{"/a/b": "/"}, tree(t, mountedAt(t, over, "/a"), "/a"))
	require.Equal(t, "content of /a/b/f", contents(t, below, "/a/b/f"))
}

// mountedAt is an overlay of a folder of another overlay, under the same name.
func mountedAt(t *testing.T, over *FS, dir string) *FS {
	return mounted(t, Mount{At: dir, FS: over, Dir: dir})
}

// reads counts the bytes that are read below.
type reads struct {
	vfs.FS
	bytes atomic.Int64
}

func (r *reads) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := r.FS.Open(name, opts...)
	return &readFile{f, r}, err
}

type readFile struct {
	vfs.File
	fs *reads
}

func (f *readFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	f.fs.bytes.Add(int64(n))
	return n, err
}

func (f *readFile) ReadAt(p []byte, at int64) (int, error) {
	n, err := f.File.ReadAt(p, at)
	f.fs.bytes.Add(int64(n))
	return n, err
}

// Links, new names and looks copy nothing, however large a file is. Opening for writing copies that file alone; one that is open for
// reading meanwhile sees what is written, as with one file.
func TestNamesAreNoCopies(t *testing.T) {
	below := &reads{FS: vfs.NewMem()}
	require.NoError(t, below.FS.MkdirAll("/d/e", 0o700))
	large := strings.Repeat("x", 8<<20)
	put(t, below.FS, "/d/e/large", large)
	over := mounted(t, Mount{At: "/in/here", FS: below, Dir: "/d"})
	require.NoError(t, over.Link("/in/here/e/large", "/in/linked"))
	require.NoError(t, over.Rename("/in/here/e", "/moved"))
	require.NoError(t, over.Rename("/moved/large", "/moved/name"))
	info, err := over.Stat("/moved/name")
	require.NoError(t, err)
	require.EqualValues(t, len(large), info.Size())
	require.Equal(t, "name", info.Name())
	require.Zero(t, below.bytes.Load())

	reader, err := over.Open("/in/linked")
	require.NoError(t, err)
	writer, err := over.OpenReadWrite("/moved/name", vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	require.EqualValues(t, len(large), below.bytes.Load())
	_, err = writer.WriteAt([]byte("yz"), 3)
	require.NoError(t, err)
	got := make([]byte, 6)
	_, err = reader.ReadAt(got, 0)
	require.NoError(t, err)
	require.Equal(t, "xxxyzx", string(got))
	_, err = reader.Write([]byte("no"))
	require.ErrorIs(t, err, fs.ErrPermission)
	require.NoError(t, errors.Join(reader.Close(), writer.Close()))
	require.ErrorIs(t, writer.Close(), fs.ErrClosed)
	require.Equal(t, large, contents(t, below.FS, "/d/e/large"))
}

// A real directory, also one that must not be written, is read where it is.
func TestRealDirectory(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "f"), []byte("real"), 0o400))
	require.NoError(t, os.Chmod(dir, 0o500)) // root writes all the same: watched file systems show that nothing tries to
	seen := &watched{FS: vfs.Default}
	over := mounted(t, Mount{At: "/data", FS: seen, Dir: dir})
	put(t, over, "/data/f", "changed")
	put(t, over, "/data/g", "new")
	lock, err := over.Lock("/data/LOCK")
	require.NoError(t, err)
	_, err = over.Lock("data/./LOCK")
	require.Error(t, err, "the same name")
	require.NoError(t, lock.Close())
	require.NoError(t, lock.Close(), "again is harmless")
	require.Equal(t, map[string]string{"/data": "/", "/data/LOCK": "", "/data/f": "changed", "/data/g": "new"}, tree(t, over, "/"))
	require.Empty(t, seen.changes)
	left, err := os.ReadFile(filepath.Join(dir, "f"))
	require.NoError(t, err)
	require.Equal(t, "real", string(left))
}

// slow is a disk that answers after an hour.
type slow struct{ vfs.FS }

func (s slow) Stat(name string) (vfs.FileInfo, error) {
	<-time.After(time.Hour)
	return s.FS.Stat(name)
}

// While the disk below is waited for, virtual time goes on, and so do those who wait for their turn.
func TestSlowDiskBelow(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		below := vfs.NewMem()
		populate(t, below)
		over := mounted(t, Mount{At: "/", FS: slow{below}, Dir: "/"})
		begun := time.Now()
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				if _, err := over.Stat("/f"); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		require.GreaterOrEqual(t, time.Since(begun), time.Hour)
	})
}
