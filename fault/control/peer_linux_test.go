package control_test

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/fault/control"
)

// A controller that is another user is refused, even if the modes of the socket let it in.
func TestOtherUsersAreRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	dir, err := os.MkdirTemp("", "stasis-peer-") // t.TempDir is the test's user's alone
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "lab", "socket")
	s, err := control.Serve(t.Context(), path, newProcess())
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	for name, mode := range map[string]os.FileMode{dir: 0o755, filepath.Dir(path): 0o755, path: 0o666} {
		require.NoError(t, os.Chmod(name, mode))
	}
	const stranger = 65534
	var dialing sync.WaitGroup
	var refused error
	dialing.Go(func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine, and the other user with it
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, stranger, stranger, stranger); errno != 0 {
			refused = errno
			return
		}
		var c *control.Client
		if c, refused = control.Dial(t.Context(), path); refused == nil {
			c.Close()
		}
	})
	dialing.Wait()
	require.ErrorIs(t, refused, control.NotAllowed)
	require.ErrorContains(t, refused, "65534")

	c, err := control.Dial(t.Context(), path)
	require.NoError(t, err, "its own user goes on")
	c.Close()
}

// The directory of a socket is made, or is closed to others, and one that is no directory of this user is refused.
func TestDirectoryOfTheSocket(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lab")
	require.NoError(t, os.Mkdir(dir, 0o777))
	require.NoError(t, os.Chmod(dir, 0o777))
	s, err := control.Serve(t.Context(), filepath.Join(dir, "socket"), newProcess())
	require.NoError(t, err)
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.ModeDir|0o700, info.Mode())
	require.NoError(t, s.Close())

	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(dir, link))
	_, err = control.Serve(t.Context(), filepath.Join(link, "socket"), newProcess())
	require.ErrorContains(t, err, "not a directory of this user")
	if os.Geteuid() == 0 {
		other := filepath.Join(t.TempDir(), "other")
		require.NoError(t, os.Mkdir(other, 0o700))
		require.NoError(t, os.Chown(other, 65534, 65534))
		_, err = control.Serve(t.Context(), filepath.Join(other, "socket"), newProcess())
		require.ErrorContains(t, err, "not a directory of this user")
	}
}

// A process that is stopped, with no room for another connection, keeps its socket.
func TestSocketOfAStoppedProcessIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab", "socket")
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	defer func() { require.NoError(t, syscall.Close(fd)) }()
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}))
	require.NoError(t, syscall.Listen(fd, 0))
	for full := false; !full; {
		conn, err := net.Dial("unix", path)
		if full = err != nil; !full {
			defer conn.Close()
		}
	}
	_, err = control.Serve(t.Context(), path, newProcess())
	require.ErrorContains(t, err, "find out whether a process serves it")
	_, err = os.Stat(path)
	require.NoError(t, err)
}

// A connection within the process needs no credentials.
func TestPeerInThisProcess(t *testing.T) {
	here, there := net.Pipe()
	require.NoError(t, control.CheckPeer(here))
	require.NoError(t, here.Close())
	require.NoError(t, there.Close())
}
