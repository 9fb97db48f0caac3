package engine

import (
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"

	"stasis/internal/apierror"
)

// retryFull is how often a write that met a full disk is tried again.
const retryFull = 50 * time.Millisecond

// spaceFS lets logs and manifests wait for space when the disk is full. Pebble cannot go
// on without them, and an error in the middle of a log's rotation would end the process.
// Tables do not wait, because giving one up frees space. Pebble tries again to write one
// without a pause, so the pause is made here.
type spaceFS struct {
	vfs.FS
	log  hclog.Logger
	full atomic.Bool // a file waits for space
}

// vital says whether Pebble cannot do without writing this file.
func (f *spaceFS) vital(name string) bool {
	base := f.PathBase(name)
	return strings.HasSuffix(base, ".log") || strings.HasPrefix(base, "MANIFEST-")
}

// insist repeats an operation until the disk is not full.
func (f *spaceFS) insist(operation func() error) error {
	for {
		err := operation()
		if !errors.Is(err, syscall.ENOSPC) {
			if f.full.Swap(false) {
				f.log.Info("there is space on the disk again")
			}
			return err
		}
		if !f.full.Swap(true) {
			f.log.Error("the disk is full; writes wait, new ones are refused", "error", err)
		}
		<-time.After(retryFull)
	}
}

// refuse returns apierror.NoSpace while the disk is full.
func (f *spaceFS) refuse() error {
	if f.full.Load() {
		return apierror.New(apierror.NoSpace, "no space left on disk: %w", syscall.ENOSPC)
	}
	return nil
}

// pace pauses after an error of a full disk, and returns err.
func (f *spaceFS) pace(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		<-time.After(retryFull)
	}
	return err
}

func (f *spaceFS) create(name string, operation func() (vfs.File, error)) (vfs.File, error) {
	if !f.vital(name) {
		file, err := operation()
		if f.pace(err) != nil {
			return nil, err
		}
		return &pacedFile{File: file, fs: f}, nil
	}
	var file vfs.File
	err := f.insist(func() (err error) {
		file, err = operation()
		return err
	})
	if err != nil {
		return nil, err
	}
	return &spaceFile{File: file, fs: f}, nil
}

// Create makes a file, and waits for space if the file is vital.
func (f *spaceFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.create(name, func() (vfs.File, error) { return f.FS.Create(name, c) })
}

// ReuseForWrite is how a log is made of an old one.
func (f *spaceFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.create(to, func() (vfs.File, error) { return f.FS.ReuseForWrite(from, to, c) })
}

// Unwrap returns the file system below.
func (f *spaceFS) Unwrap() vfs.FS { return f.FS }

// spaceFile is a log or a manifest being written.
type spaceFile struct {
	vfs.File
	fs *spaceFS
}

// Write goes on after what was written when the disk was full. A failed Sync is
// not repeated: it is unknown what it lost.
func (f *spaceFile) Write(p []byte) (written int, err error) {
	err = f.fs.insist(func() error {
		n, err := f.File.Write(p[written:])
		written += n
		return err
	})
	return written, err
}

// pacedFile is any other file being written.
type pacedFile struct {
	vfs.File
	fs *spaceFS
}

func (f *pacedFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.fs.pace(err)
}
