package minicluster

import (
	"path/filepath"

	"stasis/internal/datadir"
)

// setup is what the servers of one cluster are started with.
type setup struct {
	options Options
	servers *members
}

// dataDir is where a server keeps its data.
func (s *setup) dataDir(name string) string { return filepath.Join(s.options.Dir, name) }

// identify locks the data directory of a DB server or a coordinator, makes it if need be, and reads its
// id: the id is then known before the server starts.
func (s *setup) identify(n *node) error {
	dir, err := datadir.Open(s.options.Seams.fs(n.name), s.dataDir(n.name), n.role, nil)
	if err != nil {
		return err
	}
	n.identify(dir.ID())
	return dir.Close()
}
