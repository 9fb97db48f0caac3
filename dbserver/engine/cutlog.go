package engine

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// logCopy is a log in a cut while it is copied: of what is written, it keeps the
// beginning. Pebble gives the files of old logs to new ones at the size they have, as
// that makes syncs cheap, so a log may end long before its file does, followed by what
// an earlier log left there.
type logCopy struct {
	vfs.File
	left int64 // bytes that are still to be kept
}

// Write answers as if all of p were kept.
func (f *logCopy) Write(p []byte) (int, error) {
	keep := min(int64(len(p)), f.left)
	if keep == 0 {
		return len(p), nil
	}
	n, err := f.File.Write(p[:keep])
	f.left -= int64(n)
	if err != nil {
		return n, err
	}
	return len(p), nil
}

// copyLog makes the file for the copy of a log of the engine in the directory from. The log
// must be closed: when a cut copies logs, the rotation has closed all on its list.
func copyLog(fs vfs.FS, from string, work *Meter, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	base := fs.PathBase(name)
	number, ok := fileNumber(base)
	if !ok {
		return nil, fmt.Errorf("log %s has no number", base)
	}
	end, err := logEnd(work.FS(fs), fs.PathJoin(from, base), number)
	if err != nil {
		return nil, fmt.Errorf("find the end of log %s: %w", base, err)
	}
	file, err := work.file(fs.Create(name, category))
	if err != nil {
		return nil, err
	}
	return &logCopy{File: file, left: end}, nil
}

// logEnd is how much of a log's file must be kept so that a replay of the kept part
// gives the same records and the same verdict on how the log ended. It reads as a
// replay does. Where that finds a proper end, it would read nothing behind it, and
// finds an end there too when nothing is behind it. Where it does not, what follows
// decides whether the log was torn or is damaged: then all of the file is kept.
func logEnd(fs vfs.FS, name string, number uint64) (end int64, err error) {
	file, err := fs.Open(name, vfs.SequentialReadsOption)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	r := logReader(record.NewReader, file, number)
	for {
		end = r.Offset()
		rec, err := r.Next()
		if err == nil {
			_, err = io.Copy(io.Discard, rec)
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return end, nil
		case record.IsInvalidRecord(err), errors.Is(err, record.ErrInvalidChunk), errors.Is(err, record.ErrZeroedChunk):
			return math.MaxInt64, nil
		default:
			return 0, err
		}
	}
}

// logReader is record.NewReader for a plain number: its own type has no public name.
func logReader[N ~uint64](open func(io.Reader, N) *record.Reader, file io.Reader, number uint64) *record.Reader {
	return open(file, N(number))
}
