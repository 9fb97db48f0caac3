package minicluster

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/event"
	"stasis/internal/datadir"
	"stasis/internal/network"
	"stasis/internal/signingkey"
)

// setup is what the servers of one cluster are started with.
type setup struct {
	options Options
	servers *members
	here    *labHere        // what can be broken in this process; nil: nothing
	key     *signingkey.Key // signs the backups; nil: there are no coordinators
}

// fs is the file system of a server.
func (s *setup) fs(name string) vfs.FS {
	if fs := s.disk(name); fs != nil {
		return fs
	}
	return vfs.Default
}

// disk is the disk of a server that can be broken or is in memory, or nil. An agent keeps its votes in another way on
// such a disk.
func (s *setup) disk(name string) vfs.FS {
	switch {
	case s.here != nil:
		return s.here.disks.FS(name)
	case s.options.Seams.Disks != nil:
		return s.options.Seams.Disks(name)
	}
	return nil
}

// host is the network as a server uses it.
func (s *setup) host(name string) network.Network {
	if s.here != nil {
		return s.here.net.Host(name)
	}
	return s.options.Seams.host(name)
}

// hosts are the addresses of all servers, as the flag --lab-hosts has them.
func (s *setup) hosts() string {
	var all []string
	for _, n := range s.servers.all() {
		all = append(all, n.name+"="+n.at.address)
	}
	return strings.Join(all, ",")
}

// steps receives the events of all servers in this process.
func (s *setup) steps() event.Sink {
	if s.here != nil {
		return event.Tee(s.options.Seams.Steps, s.here.steps.Sink)
	}
	return s.options.Seams.Steps
}

// wall is the wall clock of a server; nil: the system's.
func (s *setup) wall(name string) func() time.Time {
	if s.here != nil {
		return s.here.clock.Now(name)
	}
	return s.options.Seams.wall(name)
}

// pid is this process's id as its servers tell it. In a simulation they tell none: what they say depends on the seed alone.
func (s *setup) pid() int {
	if s.options.Seams.Network != nil || s.options.Seams.Disks != nil {
		return 0
	}
	return os.Getpid()
}

// dataDir is where a server keeps its data.
func (s *setup) dataDir(name string) string { return filepath.Join(s.options.Dir, name) }

// identify locks the data directory of a DB server or a coordinator, makes it if need be, and reads its
// id: the id is then known before the server starts.
func (s *setup) identify(n *node) error {
	dir, err := datadir.Open(s.fs(n.name), s.dataDir(n.name), n.role, nil)
	if err != nil {
		return err
	}
	n.identify(dir.ID())
	return dir.Close()
}
