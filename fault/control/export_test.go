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

// UnknownVerbs are those that a process does and that a connection refuses.
func UnknownVerbs() (all []Verb) {
	for verb := range verbs {
		if verb.known() != nil {
			all = append(all, verb)
		}
	}
	return all
}
