package control

import (
	"net"
)

// ServeConn serves one end of a connection as a server does.
var ServeConn = serveConn

// Bounds.
const (
	MostRequest = mostRequest
	MostRules   = mostRules
)

// CheckPeer is who may connect.
func CheckPeer(c net.Conn) error { return checkPeer(c) }
