package control

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// peer is who is at the other end of a connection; nil: this process.
func peer(conn net.Conn) (*unix.Ucred, error) {
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("who is at the other end of the control socket: %w", err)
	}
	var cred *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) { cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(err, failed); err != nil {
		return nil, fmt.Errorf("who is at the other end of the control socket: %w", err)
	}
	return cred, nil
}

// checkPeer refuses a controller that is neither this process's user nor root, whatever the modes of files say.
func checkPeer(conn net.Conn) error {
	who, err := peer(conn)
	if err != nil || who == nil {
		return err
	}
	if own := os.Geteuid(); int(who.Uid) != own && who.Uid != 0 {
		return Errorf(NotAllowed, "the cluster belongs to the user with the id %d, and this is the user with the id %d: only its user and root may break it", own, who.Uid)
	}
	return nil
}

// checkServer refuses a process that serves a socket and is neither this user's nor root's: what it says is another user's word. Root
// gives orders to all.
func checkServer(conn net.Conn) error {
	who, err := peer(conn)
	if err != nil || who == nil {
		return err
	}
	if own := os.Geteuid(); own != 0 && int(who.Uid) != own && who.Uid != 0 {
		return Errorf(NotAllowed, "a process of the user with the id %d serves the socket, and this is the user with the id %d: it may be anything", who.Uid, own)
	}
	return nil
}
