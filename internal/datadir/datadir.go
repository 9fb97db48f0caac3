package datadir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"stasis/internal/version"
)

// Format is the number of the directory layout that this program writes and reads.
const Format = 1

const (
	identityFile = "STASIS"
	identityTemp = "STASIS.tmp"
	lockFile     = "STASIS.lock"
	linkProbe    = "STASIS.linkprobe"
)

// Reasons for not opening a directory. The errors that wrap them are one line
// for people and name the directory.
var (
	ErrInUse   = errors.New("in use by another process")
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

// Dir is an open data directory; the process holds it exclusively until Close.
type Dir struct {
	fs   vfs.FS
	path string
	id   string
	lock io.Closer
}

// Open locks dir, creating it if need be, and checks that it belongs to role; a
// new one gets its id from newID (role.NewID if nil).
func Open(fs vfs.FS, dir string, role Role, newID func() string) (*Dir, error) {
	if err := makeDir(fs, dir); err != nil {
		return nil, err
	}
	lock, err := Lock(fs, dir, lockFile)
	if err != nil {
		return nil, err
	}
	id, err := readIdentity(fs, dir)
	if err == nil && id == nil {
		err = checkNew(fs, dir)
	}
	if err == nil && id == nil {
		if newID == nil {
			newID = role.NewID
		}
		id = &identity{Format: Format, Role: role, ID: newID(), Version: version.Stasis}
		err = claim(fs, dir, id)
	}
	if err == nil {
		err = id.check(dir, role)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &Dir{fs: fs, path: dir, id: id.ID, lock: lock}, nil
}

// ID is the server's id, the same for the life of the directory.
func (d *Dir) ID() string { return d.id }

// Path joins elem to the directory's path.
func (d *Dir) Path(elem ...string) string {
	return d.fs.PathJoin(append([]string{d.path}, elem...)...)
}

// Close gives the directory free for other processes. It may be called again.
func (d *Dir) Close() error {
	lock := d.lock
	d.lock = nil
	if lock == nil {
		return nil
	}
	if err := lock.Close(); err != nil {
		return fmt.Errorf("unlock %s: %w", d.path, err)
	}
	return nil
}

// CheckSameFileSystem is nil if files in directory a can be hard-linked into
// directory b. It tries: a mount inside the tree shows itself no other way.
func CheckSameFileSystem(fs vfs.FS, a, b string) error {
	from, to := fs.PathJoin(a, linkProbe), fs.PathJoin(b, linkProbe+".linked")
	f, err := fs.Create(from, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("probe hard links in %s: %w", a, err)
	}
	err = f.Close()
	if err == nil {
		if rerr := fs.Remove(to); rerr != nil && !errors.Is(rerr, os.ErrNotExist) { // of a probe that died
			err = rerr
		}
	}
	if err == nil {
		if err = fs.Link(from, to); err == nil {
			err = fs.Remove(to)
		} else {
			err = fmt.Errorf("they must be on one file system that has hard links: %w", err)
		}
	}
	if err = errors.Join(err, fs.Remove(from)); err != nil {
		return fmt.Errorf("hard link from %s to %s: %w", a, b, err)
	}
	return nil
}

// makeDir creates dir durably, with its missing parents.
func makeDir(fs vfs.FS, dir string) error {
	var parents []string
	for d := dir; ; d = fs.PathDir(d) {
		if _, err := fs.Stat(d); err == nil || fs.PathDir(d) == d {
			break
		}
		parents = append(parents, fs.PathDir(d))
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create data directory %s: %w", dir, err)
	}
	for _, p := range parents {
		if err := syncDir(fs, p); err != nil {
			return fmt.Errorf("create data directory %s: %w", dir, err)
		}
	}
	return nil
}

// lockError tells a lock that is held from one that cannot be tried. Opening the
// lock file fails with a path, locking it with a bare number; within one process
// vfs has only a text for it.
func lockError(dir, name string, err error) error {
	var path *os.PathError
	held := errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) || strings.Contains(err.Error(), "lock held")
	if errors.As(err, &path) || !held {
		return fmt.Errorf("lock data directory %s: %w", dir, err)
	}
	return fmt.Errorf("data directory %s is %w (%s: %v)", dir, ErrInUse, name, err)
}

// Owner is the id of the server whose data directory dir is, "" if it is none.
func Owner(fs vfs.FS, dir string) (string, error) {
	id, err := readIdentity(fs, dir)
	if err != nil || id == nil {
		return "", err
	}
	return id.ID, nil
}

// Lock keeps dir to this process, by a lock on the file name in it, until the lock
// is closed or the process ends; ErrInUse if another one has it.
func Lock(fs vfs.FS, dir, name string) (io.Closer, error) {
	lock, err := fs.Lock(fs.PathJoin(dir, name))
	if err != nil {
		return nil, lockError(dir, name, err)
	}
	return lock, nil
}

// readIdentity gives nil if the directory has none.
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

// checkNew refuses to claim a directory that holds somebody else's files.
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
	case id.Format != Format:
		return fmt.Errorf("data directory %s: %w: it has format %d (written by version %q), this program reads %d",
			dir, ErrFormat, id.Format, id.Version, Format)
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
	return (&Dir{fs: fs, path: dir}).WriteNote(identityFile, append(raw, '\n'))
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}
