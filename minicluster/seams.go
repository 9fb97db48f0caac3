package minicluster

import (
	"net"
	"strconv"
	"time"

	"stasis/dbserver"
	"stasis/internal/bootclock"
	"stasis/internal/network"
)

// host is the network as a server uses it.
func (s Seams) host(name string) network.Network {
	if s.Network == nil {
		return network.TCP()
	}
	return s.Network(name)
}

// address is where a server listens and is reached.
func (s Seams) address(name string, port int) string {
	if s.Network == nil {
		return localAddress(port)
	}
	return net.JoinHostPort(name, strconv.Itoa(port))
}

// wall is the wall clock of a server; nil: the system's.
func (s Seams) wall(name string) func() time.Time {
	if s.Wall == nil {
		return nil
	}
	return s.Wall(name)
}

func localAddress(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// clock is what a DB server measures its lease by. A network that is replaced may be in a
// bubble with a time of its own, in which the system's clock has no place.
func (s Seams) clock(name string) dbserver.Clock {
	switch {
	case s.Clock != nil:
		return dbserver.Clock(s.Clock(name))
	case s.Network != nil:
		return dbserver.Clock{}
	}
	return dbserver.Clock{Elapsed: bootclock.Elapsed}
}
