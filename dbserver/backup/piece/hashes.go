package piece

import (
	"encoding/json"

	"github.com/cockroachdb/pebble/v2/vfs"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/internal/fileid"
)

// Hashes has the SHA-256 of files that never change and were hashed for an earlier
// backup. Its key is the file, not the file's name, because file numbers start again
// after a restore. A file whose bytes have rotted since keeps the hash of its right
// content, so that Verify and a restore notice the damage.
type Hashes map[fileid.ID]File

// Learn adds what the manifest of a piece says of files that never change. It adds
// nothing for a piece that cannot be read or that META does not vouch for: the hashes
// only save work.
func (k Hashes) Learn(f Folder, meta dbclient.Piece) {
	raw, err := f.disk.ReadFile(f.at(FileManifest))
	if err != nil || sumOf(raw) != meta.ManifestSHA256 {
		return
	}
	var manifest Manifest
	if json.Unmarshal(raw, &manifest) != nil {
		return
	}
	for _, file := range manifest.Files {
		if !engine.IsImmutable(file.Name) || file.SHA256 == "" {
			continue
		}
		info, err := f.disk.Stat(f.disk.PathJoin(f.EngineDir(), file.Name))
		if err != nil || info.Size() != file.Size {
			continue
		}
		if id, ok := fileid.Of(info); ok {
			k[id] = file
		}
	}
}

// of returns the hash of the file that info describes, if it is known.
func (k Hashes) of(name string, info vfs.FileInfo) (string, bool) {
	if len(k) == 0 || !engine.IsImmutable(name) {
		return "", false
	}
	id, ok := fileid.Of(info)
	if !ok {
		return "", false
	}
	f, found := k[id]
	return f.SHA256, found && f.Size == info.Size()
}
