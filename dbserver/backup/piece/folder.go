package piece

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"

	dbclient "stasis/dbserver/client"
)

// Folder is the folder of one piece.
type Folder struct {
	disk Disk
	path string
}

// In is the folder at a path.
func In(fs vfs.FS, path string) Folder { return Folder{Disk{fs}, path} }

// Path is where the folder is.
func (f Folder) Path() string { return f.path }

// EngineDir is where the piece's engine is.
func (f Folder) EngineDir() string { return f.at(DirEngine) }

func (f Folder) at(name string) string { return f.disk.PathJoin(f.path, name) }

// Exists says whether the folder exists.
func (f Folder) Exists() (bool, error) { return f.disk.Exists(f.path) }

// IsComplete returns an error that names the first file that a published hot piece
// needs and this one lacks.
func (f Folder) IsComplete() error {
	for _, name := range described {
		if _, err := f.disk.Stat(f.at(name)); err != nil {
			return err
		}
	}
	return nil
}

// Meta reads META.
func (f Folder) Meta() (dbclient.Piece, error) {
	var meta dbclient.Piece
	err := f.disk.ReadJSON(f.at(FileMeta), &meta)
	return meta, err
}

// Dump reads the agency dump.
func (f Folder) Dump() (*dbclient.AgencyDump, error) {
	dump := &dbclient.AgencyDump{}
	err := f.disk.ReadJSON(f.at(FileDump), dump)
	return dump, err
}

// Certificate reads the certificate; nil for a piece without one, such as a failsafe.
func (f Folder) Certificate() (json.RawMessage, error) {
	data, err := f.disk.ReadFile(f.at(FileCertificate))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && !json.Valid(data) {
		err = fmt.Errorf("%s is no JSON", FileCertificate)
	}
	return data, err
}

// WriteCertificate stores the certificate, durably. It replaces an earlier one.
func (f Folder) WriteCertificate(certificate json.RawMessage) error {
	return f.disk.WriteFile(f.at(FileCertificate), certificate)
}

// ListedManifest reads the manifest without asking whether META vouches for it.
func (f Folder) ListedManifest() (m Manifest, err error) {
	err = f.disk.ReadJSON(f.at(FileManifest), &m)
	return m, err
}

// Manifest reads the manifest. A manifest whose hash is not in META is an error, and so
// is one of a later format.
func (f Folder) Manifest() (m Manifest, err error) {
	meta, err := f.Meta()
	if err != nil {
		return m, err
	}
	data, err := f.disk.ReadFile(f.at(FileManifest))
	if err != nil {
		return m, err
	}
	if sumOf(data) != meta.ManifestSHA256 {
		return m, fmt.Errorf("%s differs from the hash in %s", FileManifest, FileMeta)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("%s: %w", FileManifest, err)
	}
	if m.Format > ManifestFormat {
		return m, fmt.Errorf("%s has format %d, which this version does not know: a newer version made the piece", FileManifest, m.Format)
	}
	return m, nil
}

// WithReplicas reads META, and adds what the manifest says of the replicas.
func (f Folder) WithReplicas() (dbclient.Piece, error) {
	meta, err := f.Meta()
	if err != nil {
		return meta, err
	}
	manifest, err := f.Manifest()
	meta.Replicas = manifest.Replicas
	return meta, err
}

// Describe completes a piece whose engine is in the folder: it writes the manifest, the
// agency dump and META, and makes them and the folder durable. It fills in what META says of the two
// and of the engine's files, and returns it. The folder has no name yet by which a reader takes it for
// complete.
func (f Folder) Describe(meta dbclient.Piece, dump json.RawMessage, manifest Manifest) (dbclient.Piece, error) {
	data, err := manifest.encode()
	if err != nil {
		return meta, err
	}
	meta.Keys = []dbclient.EncryptionKey{}
	meta.NrFiles, meta.SizeInBytes, meta.CountIncludesFilesOnly = len(manifest.Files), manifest.bytes(), true
	meta.ManifestSHA256, meta.AgencyDumpSHA256 = sumOf(data), sumOf(dump)
	described, err := encodeJSON(meta)
	if err != nil {
		return meta, err
	}
	err = f.disk.writeNew(f.path, newFile{FileManifest, data}, newFile{FileDump, dump}, newFile{FileMeta, described})
	meta.Replicas = manifest.Replicas
	return meta, err
}
