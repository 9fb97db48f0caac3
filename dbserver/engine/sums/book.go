package sums

import (
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"

	"stasis/internal/failpoint"
	"stasis/internal/fileid"
)

// Sum is what is known of one table.
type Sum struct {
	Size   int64
	SHA256 string // in hex

	file witness
	read int64 // when it was read without finding damage, in Unix seconds; 0: never
}

// witness tells one file of a name from another, as well as the disk can.
type witness struct {
	inode   uint64 // 0: the disk has none
	written int64  // time of the last write, in nanoseconds
}

func witnessOf(info vfs.FileInfo) witness {
	id, _ := fileid.Of(info)
	return witness{inode: id.Inode, written: info.ModTime().UnixNano()}
}

// describes says whether the sum is that of the file.
func (s Sum) describes(info vfs.FileInfo) bool {
	return s.Size == info.Size() && (s.file == witnessOf(info) || failpoint.Off("sum-of-this-file"))
}

// Book has the sums of one engine's tables. A nil Book has none. Any goroutine may use it.
type Book struct {
	fs  vfs.FS
	dir string
	log hclog.Logger

	allowed *allowance // for hashing while tables are written

	mu        sync.Mutex // short: nothing waits under it
	sums      map[string]Sum
	installed map[string]bool // tables that the engine's version has, durably, with a sum or without
	damaged   map[string]error

	stored map[string]Sum // what the file says; of Load and Run alone
	wake   chan struct{}  // holds a token when the file may lack a sum
	stop   chan struct{}
	done   chan struct{} // closed when Run has ended
}

// New makes the Book of the engine in dir, without what its file says: see [Book.Load].
func New(fs vfs.FS, dir string, log hclog.Logger) *Book {
	return &Book{
		fs: fs, dir: fs.PathDir(fs.PathJoin(dir, File)), log: log, // dir as it is in the paths of the engine's files
		sums: map[string]Sum{}, installed: map[string]bool{}, damaged: map[string]error{}, allowed: newAllowance(),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
}

// Insist has every table hashed that is created until the returned function is called, whatever that
// costs: a backup is about to need the sums.
func (b *Book) Insist() (end func()) {
	b.allowed.insist(1)
	return func() { b.allowed.insist(-1) }
}

// Of returns what is known of a table of the engine.
func (b *Book) Of(name string) (s Sum, known bool) {
	if b == nil {
		return Sum{}, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s, known = b.sums[name]
	return s, known
}

// Forget is called when the name gets another file, or none. The path need not be one of the engine's.
func (b *Book) Forget(path string) {
	if b == nil || b.fs.PathDir(path) != b.dir {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	name := b.fs.PathBase(path)
	delete(b.sums, name)
	delete(b.installed, name)
	delete(b.damaged, name)
}

// note keeps the sum of a table that was just written.
func (b *Book) note(name string, s Sum) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sums[name] = s
}

// Installed is called when the engine's version has durably got a table that was written.
func (b *Book) Installed(name string) {
	if b == nil {
		return
	}
	b.mu.Lock()
	_, known := b.sums[name]
	b.installed[name] = true
	b.mu.Unlock()
	if known {
		b.awake()
	}
}

func (b *Book) awake() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}
