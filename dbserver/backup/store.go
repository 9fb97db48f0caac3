package backup

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"

	"stasis/dbserver/backup/piece"
	"stasis/dbserver/engine"
)

// Config says where the pieces are and whose they are.
type Config struct {
	FS       vfs.FS // nil: the operating system's
	Dir      string // the server's data directory; engine and backups are inside
	ServerID string
	Version  string // goes into META
	Logger   hclog.Logger
	Engine   engine.Options // for staging; FS and Logger are filled in
}

// Store is what a server keeps of backups: four rooms over one data directory.
type Store struct {
	Published *Published
	Attempts  *Attempts
	Incoming  *Incoming
	Restores  *Restores
}

// Open makes the folder for backups if it is missing, and removes what a process was
// building or removing when it died. Pending pieces and staged restores stay, see
// [Attempts.Resolve] and [Restores.ResolveStaged].
func Open(c Config) (*Store, error) {
	if c.FS == nil {
		c.FS = vfs.Default
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	c.Engine.FS, c.Engine.Logger = c.FS, c.Logger.Named("staging")
	h := home{disk: piece.Disk{FS: c.FS}, dir: c.Dir, serverID: c.ServerID, log: c.Logger}
	if err := h.disk.MakeDir(h.backups()); err != nil {
		return nil, fmt.Errorf("make folder for backups: %w", err)
	}
	if err := h.removeLeftovers(h.backups(), ""); err != nil {
		return nil, err
	}
	if err := h.removeLeftovers(c.Dir, piece.DirEngine); err != nil {
		return nil, err
	}
	published, turns := &Published{h}, newTurns()
	return &Store{
		Published: published,
		Attempts:  &Attempts{home: h, version: c.Version, pieces: published, turns: turns},
		Incoming:  &Incoming{home: h, pieces: published, turns: turns},
		Restores:  &Restores{home: h, version: c.Version, engine: c.Engine, naming: make(chan struct{}, 1)},
	}, nil
}

// EngineDir is the directory of the live engine.
func (s *Store) EngineDir() string { return s.Published.engineDir() }
