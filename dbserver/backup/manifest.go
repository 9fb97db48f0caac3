package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	dbclient "stasis/dbserver/client"
)

// manifestFormat is the number of MANIFEST.json's format. Format 1 says nothing of replicas.
const manifestFormat = 2

// hashBuffer is how much is read between two looks at the context.
const hashBuffer = 1 << 20

// Manifest names every file of a piece's engine, and says where the replicas in it stand
// (a failsafe's does not: no gate was held).
type Manifest struct {
	Format     int                              `json:"format"`
	Files      []File                           `json:"files"` // ordered by name
	Replicas   map[string]dbclient.PieceReplica `json:"replicas"`
	Statements []dbclient.ShardStatement        `json:"statements,omitempty"` // of all leaders, at the cut
}

// File is one file. SHA256 is empty in a failsafe: its files are moved, not read.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"`
}

// depth says how closely an inventory looks.
type depth bool

const (
	sized  depth = false
	hashed depth = true
)

func (m Manifest) encode() ([]byte, error) {
	data, err := json.MarshalIndent(m, "", " ")
	return append(data, '\n'), err
}

func (m Manifest) bytes() (sum int64) {
	for _, f := range m.Files {
		sum += f.Size
	}
	return sum
}

// inventory lists the engine files in dir, leaving out what is not content: the
// lock file and the mark of a restore.
func (s *Store) inventory(ctx context.Context, dir string, d depth) (Manifest, error) {
	var known hashes
	if d == hashed {
		known = s.hashesOfEarlier()
	}
	names, err := s.fs.List(dir)
	if err != nil {
		return Manifest{}, err
	}
	slices.Sort(names)
	m := Manifest{Format: manifestFormat, Files: []File{}}
	for _, name := range names {
		if name == fileLock || name == fileRestored {
			continue
		}
		f, err := s.file(ctx, s.fs.PathJoin(dir, name), d, known)
		if err != nil {
			return m, fmt.Errorf("%s: %w", name, err)
		}
		m.Files = append(m.Files, f)
	}
	return m, nil
}

func (s *Store) file(ctx context.Context, path string, d depth, known hashes) (File, error) {
	info, err := s.fs.Stat(path)
	if err != nil {
		return File{}, err
	}
	if info.IsDir() {
		return File{}, errors.New("is a folder")
	}
	f := File{Name: s.fs.PathBase(path), Size: info.Size()}
	if d == sized {
		return f, nil
	}
	if sum, ok := known.of(f.Name, info); ok {
		f.SHA256 = sum
		return f, nil
	}
	f.SHA256, err = s.hash(ctx, path)
	return f, err
}

// hash reads a whole file; ctx ends it early.
func (s *Store) hash(ctx context.Context, path string) (string, error) {
	f, err := s.fs.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return "", err
	}
	sum, buffer := sha256.New(), make([]byte, hashBuffer)
	for err == nil {
		var n int
		n, err = f.Read(buffer)
		sum.Write(buffer[:n])
		if err == nil {
			err = ctx.Err()
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return hex.EncodeToString(sum.Sum(nil)), errors.Join(err, f.Close())
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
