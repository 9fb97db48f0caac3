package world

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/internal/backupname"
	"stasis/lab/reader"
)

// place is where a DB server has its data.
type place struct {
	server string
	fs     vfs.FS
	dir    string
}

func dataDir(dir, server string) string { return filepath.Join(dir, server) }

func agent(server string) bool { return strings.HasPrefix(server, "agent-") }

// Names in the data directory of a DB server: see package dbserver/backup.
const (
	dirBackups   = "backups"
	prefixStaged = "engine.restore-"
)

func (p place) backups() string { return p.fs.PathJoin(p.dir, dirBackups) }

// piecesOn are the published pieces of a backup, of all servers that have one.
func piecesOn(all []place, backup string) ([]reader.Piece, error) {
	var found []reader.Piece
	for _, p := range all {
		dir := p.fs.PathJoin(p.backups(), backup)
		switch _, err := p.fs.Stat(dir); {
		case err == nil:
			found = append(found, reader.Piece{FS: p.fs, Dir: dir})
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("look for the piece of backup %s on %s: %w", backup, p.server, err)
		}
	}
	return found, nil
}

// leftovers are names in the data directory of what operations on backups have left.
func (p place) leftovers() ([]string, error) {
	var found []string
	for _, dir := range []string{p.dir, p.backups()} {
		names, err := p.fs.List(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list the data of %s: %w", p.server, err)
		}
		for _, name := range names {
			if what := leftover(name); what != "" {
				found = append(found, fmt.Sprintf("%s has %s %s", p.server, what, p.fs.PathJoin(filepath.Base(dir), name)))
			}
		}
	}
	return found, nil
}

// leftover says what a name in a data directory is left of, "" if it may stay.
func leftover(name string) string {
	switch {
	case strings.HasSuffix(name, backupname.Temporary), strings.HasSuffix(name, backupname.Removed):
		return "a part that was not removed:"
	case strings.HasSuffix(name, backupname.Pending):
		return "a pending piece:"
	case strings.HasPrefix(name, prefixStaged):
		return "a staged engine:"
	}
	return ""
}
