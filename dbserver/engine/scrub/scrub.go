package scrub

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/dbserver/engine/sums"
	"stasis/internal/failpoint"
	"stasis/internal/wall"
)

const (
	// rate is how many bytes are read in a second: with the hash 2 % of a processor.
	rate = 16 << 20

	look   = 10 * time.Second   // between two looks for what is to be read; a table that does not live so long is not read
	again  = 7 * 24 * time.Hour // after which a table is read again
	chunk  = 256 << 10          // bytes between two pauses
	waited = 100 * time.Millisecond
)

// Scrubber reads the tables of one engine.
type Scrubber struct {
	FS     vfs.FS
	Dir    string // of the engine
	Book   *sums.Book
	Tables func() ([]string, error)             // that the engine's version has
	Check  func(disk vfs.FS, path string) error // by the checksums of its blocks
	Hold   func() bool                          // nothing is read while it is true
	Found  func(table string, why error)        // called once for each damaged table
	Failed func(err error)                      // called when the tables are not known
	Wall   wall.Clock

	seen map[string]bool // by the look before
}

// Run scrubs until ctx ends.
func (s *Scrubber) Run(ctx context.Context) {
	for s.pause(ctx, look) == nil {
		for _, name := range s.due() {
			if err := s.table(ctx, name); err != nil {
				if ctx.Err() != nil {
					return
				}
				s.Book.Damaged(name, err)
				s.Found(name, err)
			}
		}
	}
}

// pause waits, and longer while the engine holds the scrub back.
func (s *Scrubber) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if !s.Hold() || failpoint.Off("scrub-holds-back") {
			return nil
		}
		timer.Reset(waited)
	}
}

// due returns the tables that are to be read, in order.
func (s *Scrubber) due() (names []string) {
	all, err := s.Tables()
	if err != nil {
		s.Failed(err)
		return nil
	}
	read := map[string]time.Time{}
	now, seen := s.Wall.Now(), map[string]bool{}
	for _, name := range all {
		if seen[name] {
			continue // tables may share a file
		}
		seen[name] = true
		at, damaged := s.Book.LastRead(name)
		since := now.Sub(at)
		if !s.seen[name] || damaged || since >= 0 && since < again {
			continue
		}
		read[name] = at
		names = append(names, name)
	}
	s.seen = seen
	slices.SortFunc(names, func(a, b string) int {
		_, sumA := s.Book.Of(a)
		_, sumB := s.Book.Of(b)
		if sumA != sumB {
			if sumA {
				return 1
			}
			return -1
		}
		return cmp.Or(read[a].Compare(read[b]), cmp.Compare(a, b))
	})
	return names
}

// table reads one table. The error says what is wrong with it, or is that of ctx.
func (s *Scrubber) table(ctx context.Context, name string) error {
	slow := &slowFS{FS: s.FS, scrub: s, ctx: ctx}
	path := s.FS.PathJoin(s.Dir, name)
	want, known := s.Book.Of(name)
	if !known {
		if err := s.Check(slow, path); err != nil {
			return gone(err)
		}
	}
	file, err := slow.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return gone(err)
	}
	info, err := file.Stat()
	sum, buffer := sha256.New(), make([]byte, chunk)
	var size int64
	for err == nil {
		var n int
		n, err = file.Read(buffer)
		size += int64(n)
		sum.Write(buffer[:n])
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	is := hex.EncodeToString(sum.Sum(nil))
	if known && (size != want.Size || is != want.SHA256) && !failpoint.Off("scrub-compares") {
		return fmt.Errorf("has %d bytes with SHA-256 %s, and was written with %d bytes and SHA-256 %s", size, is, want.Size, want.SHA256)
	}
	s.Book.Read(name, is, info, s.Wall.Now())
	return nil
}

// gone makes no error of a table that was removed meanwhile.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// slowFS reads no faster than a scrub may.
type slowFS struct {
	vfs.FS
	scrub *Scrubber
	ctx   context.Context
}

func (f *slowFS) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	file, err := f.FS.Open(name, o...)
	if err != nil {
		return nil, err
	}
	return &slowFile{File: file, fs: f}, nil
}

// slowFile pauses when it has read a chunk.
type slowFile struct {
	vfs.File
	fs   *slowFS
	read int
}

func (f *slowFile) Read(p []byte) (int, error) {
	if err := f.pace(len(p)); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

func (f *slowFile) ReadAt(p []byte, at int64) (int, error) {
	if err := f.pace(len(p)); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, at)
}

// pace is called before n bytes are read.
func (f *slowFile) pace(n int) error {
	f.read += n
	if f.read < chunk {
		return f.fs.ctx.Err()
	}
	d := time.Second * time.Duration(f.read) / rate
	f.read = 0
	return f.fs.scrub.pause(f.fs.ctx, d)
}
