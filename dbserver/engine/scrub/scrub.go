package scrub

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
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
	retry  = 10 * time.Minute   // after which a table is read again that could not be read, or was damaged
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
	Check  func(disk vfs.FS, path string) error // by the checksums of its blocks; see Damage
	Hold   func() bool                          // nothing is read while it is true
	Found  func(table string, why error)        // called once for each damaged table
	Failed func(err error)                      // called when it is not known whether a table is damaged
	Wall   wall.Clock

	seen  map[string]bool      // by the look before
	tried map[string]time.Time // when a table was found damaged, or could not be read
}

// Run scrubs until ctx ends.
func (s *Scrubber) Run(ctx context.Context) {
	for s.pause(ctx, look) == nil {
		for s.pass(ctx) {
		}
	}
}

// pass reads what is due now, and returns true if more may be due: what is due changes while a large
// engine is read.
func (s *Scrubber) pass(ctx context.Context) (more bool) {
	begun := time.Now()
	for _, name := range s.due() {
		if time.Since(begun) >= look {
			return true
		}
		err := s.table(ctx, name)
		if err != nil && ctx.Err() == nil {
			err = s.confirm(ctx, name, err)
		}
		if ctx.Err() != nil {
			return false
		}
		if err != nil {
			s.judge(name, err)
		}
	}
	return false
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
	read, summed := map[string]time.Time{}, map[string]bool{}
	now, seen, tried := s.Wall.Now(), map[string]bool{}, map[string]time.Time{}
	for _, name := range all {
		if seen[name] {
			continue // tables may share a file
		}
		seen[name] = true
		if at, failed := s.tried[name]; failed && time.Since(at) < retry {
			tried[name] = at
			continue
		}
		at := s.Book.LastRead(name)
		since := now.Sub(at)
		if !s.seen[name] || since >= 0 && since < again {
			continue
		}
		_, summed[name] = s.Book.Of(name)
		read[name] = at
		names = append(names, name)
	}
	s.seen, s.tried = seen, tried
	slices.SortFunc(names, func(a, b string) int {
		if summed[a] != summed[b] {
			if summed[a] {
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
			return err
		}
	}
	file, err := slow.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return err
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
		return Damage(fmt.Errorf("has %d bytes with SHA-256 %s, and was written with %d bytes and SHA-256 %s", size, is, want.Size, want.SHA256))
	}
	s.Book.Read(name, is, info, s.Wall.Now())
	return nil
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
