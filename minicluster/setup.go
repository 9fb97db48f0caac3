package minicluster

import (
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/event"
	"stasis/internal/datadir"
)

// setup is what the servers of one cluster are started with.
type setup struct {
	options Options
	servers *members
	here    *labHere // what can be broken in this process; nil: nothing
}

// fs is the file system of a server.
func (s *setup) fs(name string) vfs.FS {
	if s.here != nil {
		return s.here.disks.FS(name)
	}
	return s.options.Seams.fs(name)
}

// steps receives the events of all servers in this process.
func (s *setup) steps() event.Sink {
	if s.here != nil {
		return event.Tee(s.options.Seams.Steps, s.here.steps.Sink)
	}
	return s.options.Seams.Steps
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
