package control_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/fault/control"
)

// Of several processes that start at once on one directory one has the socket, and it keeps it: the others neither remove it nor
// bind in its place.
func TestOneOfSeveralStartsHasTheSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), control.SocketName)
	for range 20 {
		var starting sync.WaitGroup
		servers, errs := make(chan *control.Server, 8), make(chan error, 8)
		for range 8 {
			starting.Go(func() {
				s, err := control.Serve(t.Context(), path, newProcess())
				if err != nil {
					errs <- err
					return
				}
				servers <- s
			})
		}
		starting.Wait()
		require.Len(t, servers, 1)
		require.Len(t, errs, 7)
		for range 7 {
			require.ErrorContains(t, <-errs, "serves it; stop that process first")
		}
		c, err := control.Dial(t.Context(), path)
		require.NoError(t, err, "the one that has it serves it")
		c.Close()
		require.NoError(t, (<-servers).Close())
		left, err := os.ReadDir(filepath.Dir(path))
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

// A process that starts while another one ends has the socket or is refused, and keeps what it has.
func TestStartsWhileAnotherEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), control.SocketName)
	var starting sync.WaitGroup
	errs := make(chan error, 4)
	for range 4 {
		starting.Go(func() {
			var err error
			for range 50 {
				s, refused := control.Serve(t.Context(), path, newProcess())
				if refused != nil {
					continue
				}
				c, failed := control.Dial(t.Context(), path)
				if failed == nil {
					c.Close()
				}
				err = errors.Join(err, failed, s.Close())
			}
			errs <- err
		})
	}
	starting.Wait()
	for range 4 {
		require.NoError(t, <-errs, "the one that has the socket serves it")
	}
}

// A process removes the socket that it has made, and no other.
func TestOnlyTheOwnSocketIsRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), control.SocketName)
	s, err := control.Serve(t.Context(), path, newProcess())
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	other, err := net.Listen("unix", path)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	_, err = os.Stat(path)
	require.NoError(t, err, "the socket of the other is there")
	require.NoError(t, other.Close())
}

// A process whose directory was removed and made again leaves the lock of the process that serves it now: without it a third one would
// be let in.
func TestOnlyTheOwnLockIsRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), control.SocketName)
	first, err := control.Serve(t.Context(), path, newProcess())
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(filepath.Dir(path)))
	second, err := control.Serve(t.Context(), path, newProcess())
	require.NoError(t, err)
	require.NoError(t, first.Close())
	require.FileExists(t, path+".lock", "the lock of the second process is there")
	_, err = control.Serve(t.Context(), path, newProcess())
	require.ErrorContains(t, err, "serves it; stop that process first")
	require.NoError(t, second.Close())
}

// The socket of a process that was killed is one of a process that is not running, and the next one takes it.
func TestStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), control.SocketName)
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, l.Close())
	_, err = control.Dial(t.Context(), path)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.ErrorContains(t, err, "not running any more")
	s, err := control.Serve(t.Context(), path, newProcess())
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

// A path that no link makes shorter is refused with what to do.
func TestPathThatIsTooLong(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, strings.Repeat("deep-folder/", 12))
	require.NoError(t, os.MkdirAll(deep, 0o700))
	t.Setenv("TMPDIR", deep)
	path := filepath.Join(deep, control.SocketName)
	for range 2 {
		_, err := control.Serve(t.Context(), path, newProcess())
		require.ErrorContains(t, err, "set TMPDIR")
	}
	_, err := control.Dial(t.Context(), path)
	require.ErrorContains(t, err, "set TMPDIR")
	left, err := os.ReadDir(deep)
	require.NoError(t, err)
	require.Len(t, left, 1, "no link is left: %v", left)
	require.True(t, errors.Is(os.Remove(path), os.ErrNotExist))
}

// A process says who it is: its id, when it was started, and which server.
func TestHelloSaysWhoAnswers(t *testing.T) {
	p := newProcess()
	p.Faults = control.NewFaults(control.Parts{Names: func() []string { return []string{"dbserver-1"} }, ID: func() string { return "PRMR-1" }})
	hello := local(t, p).Hello()
	require.Equal(t, os.Getpid(), hello.PID)
	require.Equal(t, "PRMR-1", hello.ID)
	require.False(t, hello.Started.IsZero())
}
