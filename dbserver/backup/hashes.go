package backup

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
)

// lookBack is how many of the newest backups are asked for hashes.
const lookBack = 4

// fileID tells files of one machine apart: of two names with one fileID at one
// moment, both are links of the same file.
type fileID struct{ device, inode uint64 }

// hashes knows the SHA-256 of files that never change and were hashed for an
// earlier backup. It goes by what a file is, not by its name: file numbers begin
// anew after a restore. A file whose bytes have rotted since keeps the hash of its
// right content, so that Verify and Stage find it out.
type hashes map[fileID]File

// hashesOfEarlier collects what the newest hot pieces say of their files. It is a
// saving only: what cannot be read is left out.
func (s *Store) hashesOfEarlier() hashes {
	known := hashes{}
	pieces, err := s.List(dbclient.ListRequest{})
	if err != nil {
		s.log.Warn("hashes of earlier backups cannot be used", "error", err)
		return known
	}
	hot := slices.DeleteFunc(pieces, func(p dbclient.PieceDetail) bool { return p.Kind != dbclient.PieceHot })
	slices.SortFunc(hot, func(a, b dbclient.PieceDetail) int { return strings.Compare(b.DateTime, a.DateTime) })
	for _, p := range hot[:min(lookBack, len(hot))] {
		s.learn(known, p.Piece)
	}
	return known
}

func (s *Store) learn(known hashes, p dbclient.Piece) {
	dir := s.published(p.ID)
	raw, err := s.fs.readFile(s.fs.PathJoin(dir, fileManifest))
	if err != nil || sumOf(raw) != p.ManifestSHA256 {
		return
	}
	var manifest Manifest
	if json.Unmarshal(raw, &manifest) != nil {
		return
	}
	for _, f := range manifest.Files {
		if !engine.IsImmutable(f.Name) || f.SHA256 == "" {
			continue
		}
		info, err := s.fs.Stat(s.fs.PathJoin(dir, dirEngine, f.Name))
		if err != nil || info.Size() != f.Size {
			continue
		}
		if id, ok := identify(info); ok {
			known[id] = f
		}
	}
}

// of gives the hash of a file of this name, if it is known.
func (k hashes) of(name string, info vfs.FileInfo) (string, bool) {
	if len(k) == 0 || !engine.IsImmutable(name) {
		return "", false
	}
	id, ok := identify(info)
	if !ok {
		return "", false
	}
	f, found := k[id]
	return f.SHA256, found && f.Size == info.Size()
}
