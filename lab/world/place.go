package world

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/internal/backupname"
	"stasis/lab/reader"
)

// place is where a server has its data.
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

// placesOf are the places of all servers of a world.
func placesOf(w World, dir string, fs func(server string) vfs.FS) []place {
	var all []place
	for _, n := range w.Nodes() {
		all = append(all, place{server: n.Name, fs: fs(n.Name), dir: dataDir(dir, n.Name)})
	}
	return all
}

func (p place) backups() string { return p.fs.PathJoin(p.dir, dirBackups) }

// piecesOn are the published pieces of a backup, of all servers that have one: DB servers alone have any.
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

// leftovers are names in the data directory, and in the folders in it, of what operations on backups have left.
func (p place) leftovers() ([]string, error) {
	names, err := p.list(p.dir)
	if err != nil {
		return nil, err
	}
	found := p.judge("", names)
	for _, name := range names {
		dir := p.fs.PathJoin(p.dir, name)
		switch info, err := p.fs.Stat(dir); {
		case errors.Is(err, fs.ErrNotExist): // it was removed just now
			continue
		case err != nil:
			return nil, fmt.Errorf("look at %s of %s: %w", name, p.server, err)
		case !info.IsDir():
			continue
		}
		below, err := p.list(dir)
		if err != nil {
			return nil, err
		}
		found = append(found, p.judge(name, below)...)
	}
	return found, nil
}

// list is the sorted content of a folder; nothing if there is none.
func (p place) list(dir string) ([]string, error) {
	names, err := p.fs.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the data of %s: %w", p.server, err)
	}
	slices.Sort(names)
	return names, nil
}

// judge says which names in a folder are of what was left.
func (p place) judge(folder string, names []string) (found []string) {
	for _, name := range names {
		if what := leftover(name); what != "" {
			found = append(found, fmt.Sprintf("%s has %s %s", p.server, what, p.fs.PathJoin(folder, name)))
		}
	}
	return found
}

// leftover says what a name in a data directory is left of, "" if it may stay.
func leftover(name string) string {
	switch {
	case strings.HasSuffix(name, backupname.Temporary), strings.HasSuffix(name, backupname.Removed):
		return "a temporary file, or a part that was not removed:"
	case strings.HasSuffix(name, backupname.Pending):
		return "a pending piece:"
	case strings.HasPrefix(name, prefixStaged):
		return "a staged engine:"
	}
	return ""
}
