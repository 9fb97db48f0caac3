package overlay

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stasis/internal/bubbles"
)

// watched is a file system below: it notes every call that could change it, and lets none through.
type watched struct {
	vfs.FS
	mu      sync.Mutex
	changes []string
}

func (w *watched) refuse(call string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes = append(w.changes, call)
	return fs.ErrPermission
}

func (w *watched) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, w.refuse("create " + name)
}
func (w *watched) Link(_, name string) error { return w.refuse("link " + name) }
func (w *watched) OpenReadWrite(name string, _ vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	return nil, w.refuse("open for writing " + name)
}
func (w *watched) Remove(name string) error    { return w.refuse("remove " + name) }
func (w *watched) RemoveAll(name string) error { return w.refuse("remove all " + name) }
func (w *watched) Rename(_, name string) error { return w.refuse("rename " + name) }
func (w *watched) ReuseForWrite(_, name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, w.refuse("reuse " + name)
}
func (w *watched) MkdirAll(name string, _ fs.FileMode) error { return w.refuse("mkdir " + name) }
func (w *watched) Lock(name string) (io.Closer, error)       { return nil, w.refuse("lock " + name) }
func (w *watched) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := w.FS.Open(name, opts...)
	if err != nil {
		return nil, err
	}
	return &watchedFile{f, w, name}, nil
}

type watchedFile struct {
	vfs.File
	fs   *watched
	name string
}

func (f *watchedFile) Write([]byte) (int, error) { return 0, f.fs.refuse("write " + f.name) }
func (f *watchedFile) WriteAt([]byte, int64) (int, error) {
	return 0, f.fs.refuse("write at " + f.name)
}
func (f *watchedFile) Preallocate(int64, int64) error { return f.fs.refuse("preallocate " + f.name) }
func (f *watchedFile) Sync() error                    { return f.fs.refuse("sync " + f.name) }
func (f *watchedFile) SyncData() error                { return f.fs.refuse("sync data " + f.name) }
func (f *watchedFile) SyncTo(int64) (bool, error)     { return false, f.fs.refuse("sync to " + f.name) }

// tree is everything on a file system: folders have the value "/".
func tree(t require.TestingT, disk vfs.FS, dir string) map[string]string {
	all := map[string]string{}
	names, err := disk.List(dir)
	require.NoError(t, err, dir)
	for _, name := range names {
		at := disk.PathJoin(dir, name)
		info, err := disk.Stat(at)
		require.NoError(t, err, at)
		require.Equal(t, name, info.Name())
		if info.IsDir() {
			all[at] = "/"
			maps.Copy(all, tree(t, disk, at))
			continue
		}
		all[at] = contents(t, disk, at)
		require.EqualValues(t, len(all[at]), info.Size(), at)
	}
	return all
}

func contents(t require.TestingT, disk vfs.FS, name string) string {
	f, err := disk.Open(name)
	require.NoError(t, err, name)
	data, err := io.ReadAll(f)
	require.NoError(t, err, name)
	require.NoError(t, f.Close())
	return string(data)
}

func put(t require.TestingT, disk vfs.FS, name, content string) {
	f, err := disk.Create(name, vfs.WriteCategoryUnspecified)
	require.NoError(t, err, name)
	_, err = f.Write([]byte(content))
	require.NoError(t, err, name)
	require.NoError(t, f.Close())
}

// populate is what lies below at first.
func populate(t require.TestingT, disk vfs.FS) {
	require.NoError(t, disk.MkdirAll("/a/b", 0o755))
	require.NoError(t, disk.MkdirAll("/c", 0o755))
	for _, name := range []string{"/f", "/g", "/a/f", "/a/g", "/a/b/f", "/c/h"} {
		put(t, disk, name, "content of "+name)
	}
}

// pair is an overlay and its model, on which the same is done.
type pair struct {
	t     *rapid.T
	disks [2]vfs.FS // the overlay, the model
	open  [][2]vfs.File
	locks [][2]io.Closer
}

func kind(err error) string {
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, io.EOF):
		return "end"
	case errors.Is(err, fs.ErrNotExist):
		return "missing"
	case errors.Is(err, fs.ErrExist):
		return "exists"
	}
	return "refused"
}

// both does the same to the overlay and to the model; the results must be the same.
func (p *pair) both(what string, do func(disk vfs.FS) (any, error)) {
	got, gotErr := do(p.disks[0])
	want, wantErr := do(p.disks[1])
	require.Equal(p.t, kind(wantErr), kind(gotErr), "%s: the model says %v, the overlay %v", what, wantErr, gotErr)
	require.Equal(p.t, want, got, what)
}

func (p *pair) path(what string) string {
	if rapid.Bool().Draw(p.t, what+" of below") {
		return rapid.SampledFrom([]string{"/f", "/g", "/a", "/a/f", "/a/b", "/a/b/f", "/n"}).Draw(p.t, what)
	}
	names := []string{"a", "b", "c", "f", "g", "h", "n"}
	depth := rapid.IntRange(1, 3).Draw(p.t, what+" depth")
	name := ""
	for range depth {
		name += "/" + rapid.SampledFrom(names).Draw(p.t, what)
	}
	return name
}

// isFolder asks the model.
func (p *pair) isFolder(name string) bool {
	info, err := p.disks[1].Stat(name)
	return err == nil && info.IsDir()
}

func (p *pair) exists(name string) bool {
	_, err := p.disks[1].Stat(name)
	return err == nil
}

// keep keeps files that were opened on both.
func (p *pair) keep(what string, open func(disk vfs.FS) (vfs.File, error)) {
	var files [2]vfs.File
	var kinds [2]string
	for i, disk := range p.disks {
		f, err := open(disk)
		files[i], kinds[i] = f, kind(err)
	}
	require.Equal(p.t, kinds[1], kinds[0], what)
	if kinds[0] == "done" {
		p.open = append(p.open, files)
	}
}

// The model is laxer than a file system about folders: it replaces one by a file, and loses what is renamed into a folder that is
// missing. Those are left out here, and shown in TestFoldersAreKept.

func (p *pair) create(*rapid.T) {
	name := p.path("create")
	if p.isFolder(name) {
		return
	}
	p.keep("create "+name, func(disk vfs.FS) (vfs.File, error) {
		return disk.Create(name, vfs.WriteCategoryUnspecified)
	})
}

func (p *pair) openFile(*rapid.T) {
	name, write := p.path("open"), rapid.Bool().Draw(p.t, "for writing")
	if p.isFolder(name) {
		return
	}
	p.keep("open "+name, func(disk vfs.FS) (vfs.File, error) {
		if write {
			return disk.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
		}
		return disk.Open(name)
	})
}

func (p *pair) reuse(*rapid.T) {
	from, to := p.path("reuse"), p.path("as")
	if p.isFolder(from) || p.isFolder(to) || !p.isFolder(path.Dir(to)) || from == to {
		return
	}
	p.keep("reuse "+from+" as "+to, func(disk vfs.FS) (vfs.File, error) {
		return disk.ReuseForWrite(from, to, vfs.WriteCategoryUnspecified)
	})
}

func (p *pair) use(*rapid.T) {
	if len(p.open) == 0 {
		return
	}
	i := rapid.IntRange(0, len(p.open)-1).Draw(p.t, "file")
	files, at := p.open[i], int64(rapid.IntRange(0, 30).Draw(p.t, "at"))
	do := func(f vfs.File) (any, error) { return nil, f.Close() }
	action := rapid.SampledFrom([]string{"write", "write at", "read", "read at", "size", "sync", "close"}).Draw(p.t, "use")
	switch action {
	case "write":
		do = func(f vfs.File) (any, error) { return f.Write([]byte("written")) }
	case "write at":
		do = func(f vfs.File) (any, error) { return f.WriteAt([]byte("at"), at) }
	case "read":
		do = func(f vfs.File) (any, error) {
			b := make([]byte, 5)
			n, err := f.Read(b)
			return string(b[:n]), err
		}
	case "read at":
		do = func(f vfs.File) (any, error) {
			b := make([]byte, 5)
			n, err := f.ReadAt(b, at)
			return string(b[:n]), err
		}
	case "size":
		do = func(f vfs.File) (any, error) {
			info, err := f.Stat()
			return []any{info.Size(), info.Name(), info.IsDir()}, err
		}
	case "sync":
		do = func(f vfs.File) (any, error) { return nil, errors.Join(f.Sync(), f.SyncData()) }
	case "close":
		p.open = slices.Delete(p.open, i, i+1)
	}
	got, gotErr := do(files[0])
	want, wantErr := do(files[1])
	require.Equal(p.t, kind(wantErr), kind(gotErr), "%s: the model says %v, the overlay %v", action, wantErr, gotErr)
	require.Equal(p.t, want, got, action)
}

func (p *pair) rename(*rapid.T) {
	from, to := p.path("rename"), p.path("to")
	if p.exists(to) && (p.isFolder(to) || p.isFolder(from)) || !p.isFolder(path.Dir(to)) || within(from, to) {
		return
	}
	p.both("rename "+from+" to "+to, func(disk vfs.FS) (any, error) { return nil, disk.Rename(from, to) })
}

func within(dir, name string) bool { return len(name) > len(dir) && name[:len(dir)+1] == dir+"/" }

func (p *pair) link(*rapid.T) {
	from, to := p.path("link"), p.path("to")
	if p.isFolder(from) {
		return
	}
	p.both("link "+from+" to "+to, func(disk vfs.FS) (any, error) { return nil, disk.Link(from, to) })
}

func (p *pair) remove(*rapid.T) {
	name, all := p.path("remove"), rapid.Bool().Draw(p.t, "all")
	p.both("remove "+name, func(disk vfs.FS) (any, error) {
		if all {
			return nil, disk.RemoveAll(name)
		}
		return nil, disk.Remove(name)
	})
}

func (p *pair) mkdir(*rapid.T) {
	name := p.path("mkdir")
	p.both("mkdir "+name, func(disk vfs.FS) (any, error) { return nil, disk.MkdirAll(name, 0o755) })
}

func (p *pair) lock(*rapid.T) {
	if len(p.locks) > 0 && rapid.Bool().Draw(p.t, "unlock") {
		for i := range p.disks {
			require.NoError(p.t, p.locks[0][i].Close())
		}
		p.locks = p.locks[1:]
		return
	}
	name := "/LOCK" + fmt.Sprint(rapid.IntRange(0, 2).Draw(p.t, "lock"))
	var locks [2]io.Closer
	var kinds [2]string
	for i, disk := range p.disks {
		l, err := disk.Lock(name)
		locks[i], kinds[i] = l, kind(err)
	}
	require.Equal(p.t, kinds[1], kinds[0], name)
	if kinds[0] == "done" {
		p.locks = append(p.locks, locks)
	}
}

func (p *pair) list(*rapid.T) {
	name := p.path("list")
	p.both("list "+name, func(disk vfs.FS) (any, error) {
		names, err := disk.List(name)
		slices.Sort(names)
		return fmt.Sprint(names), err
	})
}

func (p *pair) check(*rapid.T) {
	require.Equal(p.t, tree(p.t, p.disks[1], "/"), tree(p.t, p.disks[0], "/"))
}

// TestOverlayIsAFileSystem: whatever is done, an overlay shows what a file system in memory with the same files would show, and the file
// system below is not changed and not even asked to.
func TestOverlayIsAFileSystem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bubbles.Rapid(t, func(t *rapid.T) { // it would not end if a goroutine were left
			below, model := vfs.NewMem(), vfs.NewMem()
			populate(t, below)
			populate(t, model)
			was, seen := tree(t, below, "/"), &watched{FS: below}
			over, err := New(Mount{At: "/", FS: seen, Dir: "/"})
			require.NoError(t, err)
			p := &pair{t: t, disks: [2]vfs.FS{over, model}}
			t.Repeat(map[string]func(*rapid.T){
				"create": p.create, "open": p.openFile, "reuse": p.reuse, "use": p.use, "rename": p.rename, "link": p.link,
				"remove": p.remove, "mkdir": p.mkdir, "lock": p.lock, "list": p.list, "": p.check,
			})
			require.Empty(t, seen.changes)
			require.Equal(t, was, tree(t, below, "/"))
		})
	})
}
