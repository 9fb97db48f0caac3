package minicluster

import (
	"net"
	"strconv"

	"github.com/cockroachdb/pebble/v2/vfs"

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

func localAddress(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// fs is the file system of a server.
func (s Seams) fs(name string) vfs.FS {
	if fs := s.disk(name); fs != nil {
		return fs
	}
	return vfs.Default
}

// disk is the disk of a server that was passed in, or nil. An agent keeps its votes in another way on such a disk.
func (s Seams) disk(name string) vfs.FS {
	if s.Disks == nil {
		return nil
	}
	return s.Disks(name)
}

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
