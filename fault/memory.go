package fault

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// memory is a disk in memory that knows what of it is durable: the bytes of a file that were synced, sector by sector, the
// entries of a folder as they were when the folder was last synced, and the changes of entries since.
//
// It differs from vfs.NewCrashableMem in what a crash leaves: that depends on the seed alone, sectors are those of a disk, each change of a
// name is there or not, and hard links stay links.
type memory struct {
	mu    sync.Mutex // guards everything in it; never held during a wait
	root  *inode
	locks map[string]bool
	log   changes
}

func newMemory() *memory { return &memory{root: newFolder(), locks: map[string]bool{}} }

// split returns the folder that a path is in, and the last name; "" for the root. The lock is held.
func (m *memory) split(op, name string) (folder *inode, last string, err error) {
	parts := strings.FieldsFunc(path.Clean("/"+name), func(r rune) bool { return r == '/' })
	folder = m.root
	for i, part := range parts {
		if i == len(parts)-1 {
			return folder, part, nil
		}
		switch folder = folder.names[part]; {
		case folder == nil:
			return nil, "", pathError(op, name, fs.ErrNotExist)
		case !folder.isFolder():
			return nil, "", pathError(op, name, syscall.ENOTDIR)
		}
	}
	return folder, "", nil
}

// find returns what has a name.
func (m *memory) find(op, name string) (*inode, error) {
	folder, last, err := m.split(op, name)
	if err != nil || last == "" {
		return folder, err
	}
	n := folder.names[last]
	if n == nil {
		return nil, pathError(op, name, fs.ErrNotExist)
	}
	return n, nil
}

// Create makes a file that is another one than any that had the name.
func (m *memory) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.create(name)
}

func (m *memory) create(name string) (vfs.File, error) {
	folder, last, err := m.split("create", name)
	if err == nil && (last == "" || folder.names[last] != nil && folder.names[last].isFolder()) {
		err = pathError("create", name, syscall.EISDIR)
	}
	if err != nil {
		return nil, err
	}
	if old := folder.names[last]; old != nil { // Pebble removes it before
		m.log.do(name, entry{folder, last, nil}, old)
	}
	n := &inode{modified: time.Now()}
	m.log.do(name, entry{folder, last, n}, n)
	return &memoryFile{disk: m, node: n, name: last, writes: true}, nil
}

func (m *memory) open(name string, writes bool) (vfs.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find("open", name)
	if writes && errors.Is(err, fs.ErrNotExist) {
		return m.create(name)
	}
	if err != nil {
		return nil, err
	}
	return &memoryFile{disk: m, node: n, name: path.Base(name), writes: writes}, nil
}

func (m *memory) Open(name string, _ ...vfs.OpenOption) (vfs.File, error) { return m.open(name, false) }
func (m *memory) OpenDir(name string) (vfs.File, error)                   { return m.open(name, false) }

func (m *memory) OpenReadWrite(name string, _ vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	return m.open(name, true)
}

func (m *memory) ReuseForWrite(oldname, newname string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	if err := m.Rename(oldname, newname); err != nil {
		return nil, err
	}
	return m.open(newname, true)
}

func (m *memory) Link(oldname, newname string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find("link", oldname)
	if err != nil {
		return err
	}
	folder, last, err := m.split("link", newname)
	switch {
	case err != nil:
		return err
	case n.isFolder():
		return pathError("link", oldname, syscall.EPERM)
	case last == "" || folder.names[last] != nil:
		return pathError("link", newname, fs.ErrExist)
	}
	m.log.do(newname, entry{folder, last, n}, n)
	return nil
}

func (m *memory) Rename(oldname, newname string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, name, err := m.split("rename", oldname)
	if err == nil && from.names[name] == nil {
		err = pathError("rename", oldname, fs.ErrNotExist)
	}
	if err != nil {
		return err
	}
	to, last, err := m.split("rename", newname)
	if err != nil {
		return err
	}
	n, over := from.names[name], to.names[last]
	if err := renamable(n, over, last, newname); err != nil || n == over { // of two names of one file nothing is renamed
		return err
	}
	m.log.rename(newname, entry{to, last, n}, entry{from, name, nil}, over)
	return nil
}

// renamable is why n cannot take the place of another file or folder.
func renamable(n, over *inode, last, newname string) error {
	switch {
	case last == "" || over != nil && len(over.names) > 0:
		return pathError("rename", newname, syscall.ENOTEMPTY)
	case over != nil && over.isFolder() && !n.isFolder():
		return pathError("rename", newname, syscall.EISDIR)
	case over != nil && !over.isFolder() && n.isFolder():
		return pathError("rename", newname, syscall.ENOTDIR)
	}
	return nil
}

func (m *memory) Remove(name string) error { return m.remove(name, false) }

// RemoveAll removes a folder with all that is in it, one name after the other. A missing one is no error.
func (m *memory) RemoveAll(name string) error {
	if err := m.remove(name, true); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (m *memory) remove(name string, all bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	folder, last, err := m.split("remove", name)
	switch {
	case err != nil:
		return err
	case folder.names[last] == nil:
		return pathError("remove", name, fs.ErrNotExist)
	case !all && len(folder.names[last].names) > 0:
		return pathError("remove", name, syscall.ENOTEMPTY)
	}
	m.removeBelow(name, folder, last)
	return nil
}

// removeBelow removes what is in a folder before the folder. The lock is held.
func (m *memory) removeBelow(name string, folder *inode, last string) {
	n := folder.names[last]
	for _, below := range slices.Sorted(maps.Keys(n.names)) {
		m.removeBelow(path.Join(name, below), n, below)
	}
	m.log.do(name, entry{folder, last, nil}, n)
}

func (m *memory) MkdirAll(name string, _ os.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	folder, at := m.root, ""
	for part := range strings.FieldsFuncSeq(path.Clean("/"+name), func(r rune) bool { return r == '/' }) {
		next := folder.names[part]
		at = path.Join(at, part)
		switch {
		case next == nil:
			next = newFolder()
			m.log.do(at, entry{folder, part, next}, next)
		case !next.isFolder():
			return pathError("mkdir", name, syscall.ENOTDIR)
		}
		folder = next
	}
	return nil
}

// Lock keeps others from the name until it is closed, or until the disk crashes.
func (m *memory) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := path.Clean("/" + name)
	if m.locks[key] {
		return nil, pathError("lock", name, syscall.EAGAIN)
	}
	if _, err := m.create(name); err != nil {
		return nil, err
	}
	m.locks[key] = true
	return &memoryLock{m, key}, nil
}

type memoryLock struct {
	disk *memory
	key  string
}

func (l *memoryLock) Close() error {
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	delete(l.disk.locks, l.key)
	return nil
}

func (m *memory) List(name string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find("list", name)
	if err == nil && !n.isFolder() {
		err = pathError("list", name, syscall.ENOTDIR)
	}
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(n.names)), nil
}

func (m *memory) Stat(name string) (vfs.FileInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find("stat", name)
	if err != nil {
		return nil, err
	}
	return n.info(path.Base(name)), nil
}

func (*memory) PathBase(p string) string       { return path.Base(p) }
func (*memory) PathJoin(elem ...string) string { return path.Join(elem...) }
func (*memory) PathDir(p string) string        { return path.Dir(p) }
func (*memory) Unwrap() vfs.FS                 { return nil }

// GetDiskUsage: memory has no size of its own. Disk.Fill gives a disk one.
func (*memory) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{}, vfs.ErrUnsupported
}
