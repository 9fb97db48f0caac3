package control

import (
	"context"
	"errors"
	"fmt"
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
	if err := os.Symlink(dir, link); err != nil {
		return "", nil, errors.Join(fmt.Errorf("make a short path to the control socket %s: %w", path, err), done())
	}
	return filepath.Join(link, filepath.Base(path)), done, nil
}

// listen opens the socket. One that a process left that was killed is replaced; one that is served is an error.
func listen(ctx context.Context, path string) (net.Listener, error) {
	if err := ownDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	usable, done, err := short(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = done() }() // a link in a temporary directory; the socket does not need it any more
	switch c, err := dial(ctx, path); {
	case err == nil:
		_ = c.Close()
		return nil, fmt.Errorf("control socket %s: another process serves it; stop that process first", path)
	case errors.Is(err, os.ErrNotExist):
	case !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ENOTSOCK): // a process that is stopped may not take it
		return nil, fmt.Errorf("control socket %s: find out whether a process serves it: %w", path, err)
	default:
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("remove the control socket that an earlier process left: %w", err)
		}
	}
	l, err := net.Listen("unix", usable)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // its path may be through the link
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("control socket %s: %w", path, err), l.Close())
	}
	return l, nil
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
