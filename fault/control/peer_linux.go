package control

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// checkPeer refuses a controller that is neither this process's user nor root, whatever the modes of files say.
func checkPeer(conn net.Conn) error {
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return nil // it is in this process
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return fmt.Errorf("who is at the other end of the control socket: %w", err)
	}
	var peer *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) { peer, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("who is at the other end of the control socket: %w", err)
	}
	if own := os.Geteuid(); int(peer.Uid) != own && peer.Uid != 0 {
		return Errorf(NotAllowed, "the cluster belongs to the user with the id %d, and this is the user with the id %d: only its user and root may break it", own, peer.Uid)
	}
	return nil
}
