package control

import (
	"net"
)

// ServeConn serves one end of a connection as a server does.
var ServeConn = serveConn

// MostBytes bounds a line.
const MostBytes = mostBytes

// CheckPeer is who may connect.
func CheckPeer(c net.Conn) error { return checkPeer(c) }
