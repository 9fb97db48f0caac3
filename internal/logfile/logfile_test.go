package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stasis/internal/bubbles"
)

const crashing = "STASIS_TEST_LOGFILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashing); path != "" {
		crash(path)
	}
	goleak.VerifyTestMain(m)
}

func put(t *testing.T, f *File, text string) {
	t.Helper()
	n, err := f.Write([]byte(text))
	require.NoError(t, err)
	require.Equal(t, len(text), n)
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(raw)
}

// TestRotates: size and number are bounded, no line is torn or lost before the oldest file is
// deleted, and only the owner reads any of them.
func TestRotates(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.log")
	require.NoError(t, os.WriteFile(path, []byte("from before\n"), 0o600))
	f, err := Open(path, Limits{Size: 100, Keep: 2})
	require.NoError(t, err)
	for i := range 25 {
		put(t, f, fmt.Sprintf("line %4d\n", i)) // ten bytes
	}
	require.NoError(t, f.Close())
	require.NoError(t, f.Close(), "again")
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, list, 3)
	for _, e := range list {
		info, err := e.Info()
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode(), e.Name())
		require.LessOrEqual(t, info.Size(), int64(100))
	}
	require.True(t, strings.HasPrefix(read(t, path+".2"), "from before\nline    0\n"))
	all := read(t, path+".2") + read(t, path+".1") + read(t, path)
	require.Equal(t, 26, strings.Count(all, "\n"))
	require.True(t, strings.HasSuffix(all, "line   23\nline   24\n"))

	f, err = Open(path, Limits{Size: 100, Keep: 2})
	require.NoError(t, err)
	for i := range 100 {
		put(t, f, fmt.Sprintf("more %4d\n", i))
	}
	require.NoError(t, f.Close())
	_, err = f.Write([]byte("late"))
	require.ErrorIs(t, err, os.ErrClosed)
	list, err = os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, list, 3, "their number is not bounded")
}

// TestMovedByAnother: a file that another program moves or cuts is no reason to lose lines.
func TestMovedByAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	f, err := Open(path, Limits{Size: 100, Keep: 2})
	require.NoError(t, err)
	put(t, f, strings.Repeat("a", 90)+"\n")
	require.NoError(t, os.Rename(path, path+".moved"))
	put(t, f, strings.Repeat("b", 90)+"\n")
	require.Equal(t, strings.Repeat("b", 90)+"\n", read(t, path))
	require.NoError(t, os.Truncate(path, 0))
	put(t, f, strings.Repeat("c", 90)+"\n")
	require.Equal(t, strings.Repeat("c", 90)+"\n", read(t, path))
	require.NoFileExists(t, path+".1")
	require.NoError(t, f.Close())
}

// TestCannotRotate: a log that cannot be set aside goes on, says so, and is set aside when
// that is possible.
func TestCannotRotate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	require.NoError(t, os.MkdirAll(filepath.Join(path+".1", "in the way"), 0o700))
	f, err := Open(path, Limits{Size: 100, Keep: 1})
	require.NoError(t, err)
	for range 5 {
		put(t, f, strings.Repeat("a", 59)+"\n")
	}
	require.Equal(t, 5, strings.Count(read(t, path), strings.Repeat("a", 59)+"\n"))
	require.Contains(t, read(t, path), "cannot be rotated: rename")
	require.NoError(t, os.RemoveAll(path+".1"))
	for range 5 {
		put(t, f, strings.Repeat("b", 59)+"\n")
	}
	require.FileExists(t, path+".1")
	require.NoError(t, f.Close())
}

// crash logs much and panics, as a server whose standard error is its log file.
func crash(path string) {
	f, err := Open(path, Limits{Size: 1000, Keep: 2})
	if err != nil {
		panic(err)
	}
	for i := range 200 {
		_, _ = fmt.Fprintf(f, "line %d\n", i) // it is looked at by the test
	}
	panic("this is the end")
}

// TestCrashTraceIsKept: what the runtime prints when a process panics is at the end of the
// newest file, however often it was rotated.
func TestCrashTraceIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	out, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer out.Close()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), crashing+"="+path)
	c.Stdout, c.Stderr = out, out
	var exit *exec.ExitError
	require.ErrorAs(t, c.Run(), &exit)
	require.FileExists(t, path+".1", "nothing was rotated")
	require.Contains(t, read(t, path), "line 199\npanic: this is the end")
	require.Contains(t, read(t, path), "logfile.crash")
}

// slow is a file on a disk that hangs, or is full.
type slow struct {
	mu     sync.Mutex
	bytes  bytes.Buffer
	hangs  chan struct{} // nil: it does not
	full   bool
	closed bool
}

func (s *slow) Write(p []byte) (int, error) {
	s.mu.Lock()
	hangs := s.hangs
	s.mu.Unlock()
	if hangs != nil {
		<-hangs
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return 0, errors.New("no space left on device")
	}
	return s.bytes.Write(p)
}

func (s *slow) Stat() (fs.FileInfo, error) { return nil, fs.ErrInvalid }
func (s *slow) Close() error               { s.closed = true; return nil }

func (s *slow) set(hangs chan struct{}, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangs, s.full = hangs, full
}

// TestHangingDiskHoldsUpOnce: while the file takes no lines, all who log are held up for a second
// at most, and together; what had room is written later, and how much had none is told.
func TestHangingDiskHoldsUpOnce(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		disk := &slow{}
		f := newFile("x.log", Limits{}, disk)
		go f.run()
		put(t, f, "before\n")
		hangs := make(chan struct{})
		disk.set(hangs, false)
		began := time.Now()
		for i := range 2 * waiting {
			put(t, f, fmt.Sprintf("line %d\n", i))
		}
		require.Equal(t, patience, time.Since(began), "a disk that hangs holds up who logs")
		disk.set(nil, false)
		close(hangs)
		synctest.Wait()
		put(t, f, "after\n")
		require.NoError(t, f.Close())
		text := disk.bytes.String()
		require.True(t, strings.HasPrefix(text, "before\nline 0\n["), text[:40])
		require.Contains(t, text, fmt.Sprintf("[%d lines of the log are lost", waiting-1))
		require.Contains(t, text, fmt.Sprintf("line %d\n", waiting))
		require.True(t, strings.HasSuffix(text, "after\n"))
		require.True(t, disk.closed)
	})
}

// TestFullDisk: a full disk loses lines, tells how many, and is no error of who logs.
func TestFullDisk(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		disk := &slow{}
		f := newFile("x.log", Limits{}, disk)
		go f.run()
		disk.set(nil, true)
		began := time.Now()
		for range 100 {
			put(t, f, "lost\n")
		}
		require.Zero(t, time.Since(began))
		disk.set(nil, false)
		put(t, f, "kept\n")
		require.NoError(t, f.Close())
		require.Equal(t, "kept\n[100 lines of the log are lost: the file did not take them]\n", disk.bytes.String())
	})
}

// TestCloseOfAHangingFile does not wait for it.
func TestCloseOfAHangingFile(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		hangs := make(chan struct{})
		f := newFile("x.log", Limits{}, &slow{hangs: hangs})
		go f.run()
		put(t, f, "held up\n")
		require.ErrorContains(t, f.Close(), "x.log takes no more lines")
		close(hangs)
		<-f.gone
	})
}

// TestLongLine is cut.
func TestLongLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	f, err := Open(path, Limits{})
	require.NoError(t, err)
	put(t, f, strings.Repeat("x", 10*mostSize)+"\n")
	require.NoError(t, f.Close())
	require.Equal(t, mostSize+len(" …\n"), len(read(t, path)))
}
