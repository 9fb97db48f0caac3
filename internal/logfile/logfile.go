// Package logfile keeps a program's log in a file that is bounded in size and number.
//
// When FILE has reached its size it becomes FILE.1, FILE.1 becomes FILE.2 and so on, and the
// oldest is deleted. If standard output or standard error is the same file, it follows to
// the new one, so that a crash trace is always at the end of FILE.
//
// A log must not stop a server. Write waits for the file for a second at most, and after
// that not at all until the file accepts lines again. Lines that come meanwhile are kept up
// to a bound and then dropped. A line that the disk refuses is dropped. The log says how many
// lines were lost. While the disk is healthy, the operating system has a line when Write
// returns, so that the line survives the end of the process.
//
// Libraries that rotate files (lumberjack above all) write in the caller's goroutine, which
// then waits for the disk. They leave a goroutine behind when they are closed, and do not
// follow a standard error that is the same file.
package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	patience = time.Second // how long a line may hold up its caller
	waiting  = 1024        // lines that are kept while the file takes none
	mostSize = 64 << 10    // of a line that is kept; longer ones are cut
)

// File is a log. Its methods may be called from any goroutine.
type File struct {
	lines chan line
	quit  chan struct{} // closed by Close
	gone  chan struct{} // closed when the writer has ended
	once  sync.Once
	stuck atomic.Bool   // a line has taken longer than patience
	lost  atomic.Uint64 // lines since the last that said how many

	out rotating // the writer's own
}

type line struct {
	text []byte
	done chan struct{} // closed when the file has it, or refuses it
}

// Open opens the file path, and makes it with mode 0600 if it is missing. It adds to what is
// there.
func Open(path string, l Limits) (*File, error) {
	file, err := openAppend(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	f := newFile(path, l, file)
	f.out.rotates, f.out.size = info.Mode().IsRegular(), info.Size()
	for _, std := range []*os.File{os.Stdout, os.Stderr} {
		if at, err := std.Stat(); err == nil && f.out.rotates && os.SameFile(at, info) { // a closed one is not the file
			f.out.follow = append(f.out.follow, int(std.Fd()))
		}
	}
	go f.run() // Close waits for it
	return f, nil
}

func newFile(path string, l Limits, file target) *File {
	if l.Size == 0 {
		l.Size = defaultSize
	}
	if l.Keep == 0 {
		l.Keep = defaultKeep
	}
	return &File{out: rotating{path: path, limits: l, file: file}, lines: make(chan line, waiting), quit: make(chan struct{}), gone: make(chan struct{})}
}

// Write adds a line. It returns an error only after Close: a caller could do nothing about
// any other.
func (f *File) Write(p []byte) (int, error) {
	text := p
	if len(text) > mostSize {
		text = append(bytes.Clone(text[:mostSize]), " …\n"...)
	}
	l := line{text: bytes.Clone(text), done: make(chan struct{})}
	select {
	case <-f.quit:
		return 0, os.ErrClosed
	default:
	}
	select {
	case f.lines <- l:
	default:
		f.lost.Add(1)
		return len(p), nil
	}
	if f.stuck.Load() {
		return len(p), nil
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-l.done:
	case <-f.gone:
	case <-timer.C:
		f.stuck.Store(true)
	}
	return len(p), nil
}

// Close writes what waits, if the file takes it within a second, and closes the file.
func (f *File) Close() error {
	f.once.Do(func() { close(f.quit) })
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-f.gone:
		return nil
	case <-timer.C:
		return fmt.Errorf("log file %s takes no more lines: what waits is lost", f.out.path)
	}
}

// run is the writer.
func (f *File) run() {
	defer close(f.gone)
	defer func() { _ = f.out.file.Close() }() // nothing is in its buffers, and no caller is left
	for {
		select {
		case l := <-f.lines:
			f.put(l)
		case <-f.quit:
			for {
				select {
				case l := <-f.lines:
					f.put(l)
				default:
					return
				}
			}
		}
	}
}

func (f *File) put(l line) {
	defer close(l.done)
	if more := int64(len(l.text)); f.out.isFull(more) {
		if err := f.out.rotate(more); err != nil {
			f.out.size -= f.out.limits.Size / 8 // it goes on in this file, and tries again soon
			f.write(fmt.Appendf(nil, "[the log file cannot be rotated: %v]\n", err))
		}
	}
	if f.write(l.text) && f.stuck.Swap(false) || f.lost.Load() > 0 {
		if n := f.lost.Swap(0); n > 0 && !f.write(fmt.Appendf(nil, "[%d lines of the log are lost: the file did not take them]\n", n)) {
			f.lost.Add(n - 1) // write has counted one
		}
	}
}

// write says whether the file has taken the text.
func (f *File) write(text []byte) bool {
	n, err := f.out.file.Write(text)
	f.out.size += int64(n)
	if err != nil {
		f.lost.Add(1)
	}
	return err == nil
}
