package overlay

import (
	"errors"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// place is a file or a folder of a file system below.
type place struct {
	fs   vfs.FS
	path string
}

func (p *place) child(name string) *place {
	if p == nil {
		return nil
	}
	return &place{p.fs, p.fs.PathJoin(p.path, name)}
}

// node is a file or a folder. All names of a file have one node.
type node struct {
	dir   bool
	below *place // of a folder: what else is in it; of a file: its content, unless it has one in memory

	children map[string]*node     // of a folder: what was looked at or changed; nil: it was removed
	memory   atomic.Pointer[blob] // of a file: its content, if that is not the one below
	made     time.Time
}

func newFolder(below *place) *node {
	return &node{dir: true, below: below, children: map[string]*node{}, made: time.Now()}
}

func newFile() *node {
	n := &node{made: time.Now()}
	n.memory.Store(&blob{changed: n.made})
	return n
}

// child finds an entry of a folder; nil if there is none.
func (n *node) child(name string) (*node, error) {
	if c, seen := n.children[name]; seen || n.below == nil {
		return c, nil
	}
	at := n.below.child(name)
	info, err := at.fs.Stat(at.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c := &node{below: at}
	if info.IsDir() {
		c = newFolder(at)
	}
	n.children[name] = c
	return c, nil
}

// set gives an entry of a folder another node; nil removes it.
func (n *node) set(name string, c *node) {
	if c == nil && n.below == nil {
		delete(n.children, name)
		return
	}
	n.children[name] = c
}

// names lists a folder, in no order.
func (n *node) names() ([]string, error) {
	var all []string
	for name, c := range n.children {
		if c != nil {
			all = append(all, name)
		}
	}
	if n.below == nil {
		return all, nil
	}
	below, err := n.below.fs.List(n.below.path)
	if err != nil {
		return nil, err
	}
	for _, name := range below {
		if _, seen := n.children[name]; !seen {
			all = append(all, name)
		}
	}
	return all, nil
}

// load brings a file's content into memory, if it is not there yet.
func (n *node) load() (err error) {
	if n.memory.Load() != nil {
		return nil
	}
	f, err := n.below.fs.Open(n.below.path, vfs.SequentialReadsOption)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	n.memory.Store(&blob{data: data, changed: time.Now()})
	return nil
}

func (n *node) info(name string) (vfs.FileInfo, error) {
	if m := n.memory.Load(); m != nil {
		size, changed := m.stat()
		return &info{name: name, size: size, changed: changed}, nil
	}
	if n.dir {
		return &info{name: name, changed: n.made, dir: true}, nil
	}
	below, err := n.below.fs.Stat(n.below.path)
	if err != nil {
		return nil, err
	}
	return &named{FileInfo: below, name: name}, nil
}

// blob is the content of a file in memory.
type blob struct {
	mu      sync.Mutex // never held for anything but memory
	data    []byte
	changed time.Time
}

func (b *blob) stat() (size int64, changed time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return int64(len(b.data)), b.changed
}

func (b *blob) ReadAt(p []byte, off int64) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	if off >= int64(len(b.data)) {
		return 0, io.EOF
	}
	n := copy(p, b.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (b *blob) writeAt(p []byte, off int64) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	b.changed = time.Now()
	if gap := off - int64(len(b.data)); gap > 0 {
		b.data = append(b.data, make([]byte, gap)...)
	}
	n := copy(b.data[off:], p)
	b.data = append(b.data, p[n:]...)
	return len(p), nil
}

// info describes what is in memory.
type info struct {
	name    string
	size    int64
	changed time.Time
	dir     bool
}

func (i *info) Name() string           { return i.name }
func (i *info) Size() int64            { return i.size }
func (i *info) ModTime() time.Time     { return i.changed }
func (i *info) IsDir() bool            { return i.dir }
func (i *info) Sys() any               { return nil }
func (i *info) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }

func (i *info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

// named is what the file system below says of a file, under the name that it has here.
type named struct {
	vfs.FileInfo
	name string
}

func (n *named) Name() string { return n.name }
