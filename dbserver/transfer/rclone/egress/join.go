package egress

import (
	"net"
	"sync"
	"time"
)

// halfClosed is how long one direction may go on when the other has ended.
const halfClosed = time.Minute

// join carries bytes both ways until both have ended.
func join(a, b net.Conn) {
	var both sync.WaitGroup
	both.Go(func() { carry(a, b) })
	both.Go(func() { carry(b, a) })
	both.Wait()
}

func carry(from, to net.Conn) {
	_, err := to.(*net.TCPConn).ReadFrom(from) // the kernel moves the bytes where it can
	if err != nil {
		_ = from.Close()
		_ = to.Close()
		return
	}
	if to.(*net.TCPConn).CloseWrite() != nil || to.SetReadDeadline(time.Now().Add(halfClosed)) != nil {
		_ = to.Close()
	}
}
