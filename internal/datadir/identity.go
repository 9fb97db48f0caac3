package datadir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
)

// formatNumber is that of the directory layout that this program writes and reads.
const formatNumber = 1

const (
	identityFile = "STASIS"
	identityTemp = "STASIS.tmp"
	lockFile     = "STASIS.lock"
)

// Reasons for not opening a directory, beside [ErrInUse]. The errors that wrap them are one
// line for people and name the directory.
var (
	ErrRole    = errors.New("belongs to another role")
	ErrFormat  = errors.New("format not supported")
	ErrDamaged = errors.New("damaged")
	ErrForeign = errors.New("not a data directory")
)

// Role is what a server does in the cluster.
type Role string

// The roles.
const (
	Agent       Role = "agent"
	DBServer    Role = "dbserver"
	Coordinator Role = "coordinator"
)

// NewID makes a fresh server id: the role's prefix and a random UUID.
func (r Role) NewID() string {
	prefix := map[Role]string{Agent: "AGNT-", DBServer: "PRMR-", Coordinator: "CRDN-"}[r]
	return prefix + uuid.NewString()
}

// identity is the content of the file STASIS.
type identity struct {
	Format  int    `json:"format"`
	Role    Role   `json:"role"`
	ID      string `json:"id"`
	Version string `json:"version"` // of the program that created the directory
}

// Owner returns the id of the server whose data directory dir is; "" if it is none.
func Owner(fs vfs.FS, dir string) (string, error) {
	id, err := readIdentity(fs, dir)
	if err != nil || id == nil {
		return "", err
	}
	return id.ID, nil
}

// readIdentity returns nil if the directory has none.
func readIdentity(fs vfs.FS, dir string) (*identity, error) {
	f, err := fs.Open(fs.PathJoin(dir, identityFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", dir, err)
	}
	raw, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("data directory %s: read %s: %w", dir, identityFile, err)
	}
	var id identity
	if err := json.Unmarshal(raw, &id); err != nil {
		return nil, fmt.Errorf("data directory %s is %w: %s: %v", dir, ErrDamaged, identityFile, err)
	}
	return &id, nil
}

// checkNew refuses to claim a directory that holds other programs' files.
func checkNew(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return fmt.Errorf("data directory %s: %w", dir, err)
	}
	for _, name := range names {
		switch {
		case name == lockFile, name == identityTemp, name == "lost+found",
			strings.HasPrefix(name, "."), strings.HasSuffix(name, ".log"):
		default:
			return fmt.Errorf("%s is %w: it has no file %s but holds %q", dir, ErrForeign, identityFile, name)
		}
	}
	return nil
}

func (id *identity) check(dir string, role Role) error {
	switch {
	case id.Format != formatNumber:
		return fmt.Errorf("data directory %s: %w: it has format %d (written by version %q), this program reads %d",
			dir, ErrFormat, id.Format, id.Version, formatNumber)
	case id.Role != role:
		return fmt.Errorf("data directory %s %w: it is the %s %s, not one of a %s", dir, ErrRole, id.Role, id.ID, role)
	case id.ID == "":
		return fmt.Errorf("data directory %s is %w: %s names no id", dir, ErrDamaged, identityFile)
	}
	return nil
}

// claim writes the identity durably.
func claim(fs vfs.FS, dir string, id *identity) error {
	raw, err := json.Marshal(id)
	if err != nil {
		return fmt.Errorf("data directory %s: %w", dir, err)
	}
	return writeFile(fs, dir, identityFile, append(raw, '\n'))
}
