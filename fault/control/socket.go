package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// longest is how long the path of a socket may be: systems keep it in 104 to 108 bytes, with a zero at the end.
const longest = 100

// probeLimit bounds the question whether a process serves a socket that is there.
const probeLimit = 2 * time.Second

// lockSuffix makes the name of the file whose lock says who serves a socket.
const lockSuffix = ".lock"

// short gives a path of a socket that is short enough. A long one is reached through a link to its directory, which
// done removes: the socket is where it belongs, however deep that is.
func short(path string) (usable string, done func() error, err error) {
	if len(path) <= longest {
		return path, func() error { return nil }, nil
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return "", nil, fmt.Errorf("path of the control socket %s: %w", path, err)
	}
	temp, err := os.MkdirTemp("", "stasis-")
	if err != nil {
		return "", nil, fmt.Errorf("the path of the control socket %s has %d bytes and systems take %d: make a shorter one: %w", path, len(path), longest, err)
	}
	done = func() error { return os.RemoveAll(temp) }
	link := filepath.Join(temp, "d")
	usable = filepath.Join(link, filepath.Base(path))
	if len(usable) > longest {
		return "", nil, errors.Join(fmt.Errorf("the path of the control socket %s has %d bytes, systems take %d, and a link in %s is no shorter: use a directory with a shorter path, or set TMPDIR to one", path, len(path), longest, os.TempDir()), done())
	}
	if err := os.Symlink(dir, link); err != nil {
		return "", nil, errors.Join(fmt.Errorf("make a short path to the control socket %s: %w", path, err), done())
	}
	return usable, done, nil
}

// socket is one that this process has made, and that no other can serve until it is closed.
type socket struct {
	net.Listener
	path string
	made os.FileInfo // what was made, and is removed
	lock io.Closer
}

// listen opens the socket. One that a process left that was killed is replaced; one that is served is an error.
func listen(ctx context.Context, path string) (*socket, error) {
	if err := ownDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	lock, err := lockSocket(path)
	if err != nil {
		return nil, err
	}
	s, err := bind(ctx, path)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.lock = lock
	return s, nil
}

// bind makes the socket. The lock is held.
func bind(ctx context.Context, path string) (*socket, error) {
	if err := clear(ctx, path); err != nil {
		return nil, err
	}
	usable, done, err := short(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = done() }() // a link in a temporary directory; the socket does not need it any more
	l, err := net.Listen("unix", usable)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // its path may be through the link
	if err = os.Chmod(path, 0o600); err == nil {
		var made os.FileInfo
		if made, err = os.Lstat(path); err == nil {
			return &socket{Listener: l, path: path, made: made}, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("control socket %s: %w", path, err), l.Close())
}

// clear removes a socket that no process serves. A process of a program without the lock may serve it all the same.
func clear(ctx context.Context, path string) error {
	switch c, err := dial(ctx, path); {
	case err == nil:
		_ = c.Close()
		return fmt.Errorf("control socket %s: another process serves it; stop that process first", path)
	case errors.Is(err, os.ErrNotExist):
	case !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ENOTSOCK): // a process that is stopped may not take it
		return fmt.Errorf("control socket %s: find out whether a process serves it: %w", path, err)
	default:
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove the control socket that an earlier process left: %w", err)
		}
	}
	return nil
}

// remove removes the socket, if it is still the one that was made. What has taken its place belongs to another.
func (s *socket) remove() error {
	switch now, err := os.Lstat(s.path); {
	case errors.Is(err, os.ErrNotExist): // its directory is gone
	case err != nil:
		return err
	case os.SameFile(s.made, now):
		if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// ownDir makes the directory of a socket, which is its user's alone. One of another user, or a link, is refused: what is in it
// may be replaced.
func ownDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the directory of the control socket: %w", err)
	}
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("directory of the control socket: %w", err)
	case !info.IsDir() || !owned(info):
		return fmt.Errorf("%s is not a directory of this user: remove it, for the control socket is to be in it", dir)
	case info.Mode().Perm()&0o077 == 0:
		return nil
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("keep others out of the directory of the control socket: %w", err)
	}
	return nil
}

// dial connects to the socket.
func dial(ctx context.Context, path string) (net.Conn, error) {
	usable, done, err := short(path)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", usable)
	return c, errors.Join(err, done())
}
