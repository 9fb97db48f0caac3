package piece

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/backupname"
)

// enginePrefix stands before the names of engine files in a Content.
const enginePrefix = DirEngine + "/"

// Content lists everything that must be copied for a piece to be complete elsewhere:
// every file with its size and hash, named below the piece's folder ("META",
// "engine/000012.sst").
type Content struct {
	Piece dbclient.Piece
	Files []File
}

// Bytes is the sum of the files' sizes.
func (c Content) Bytes() (sum int64) {
	for _, f := range c.Files {
		sum += f.Size
	}
	return sum
}

// Check returns an error for a list that cannot be a piece's: a name that leads out of
// the folder, a name that is given twice, a file that every piece has and that is not
// listed.
func (c Content) Check() error {
	seen := map[string]bool{}
	for _, f := range c.Files {
		if !validContent(f.Name) || seen[f.Name] || f.Size < 0 || len(f.SHA256) != 64 {
			return fmt.Errorf("%q is no file of a piece", f.Name)
		}
		seen[f.Name] = true
	}
	for _, name := range described {
		if !seen[name] && (name != FileCertificate || c.Piece.Kind == dbclient.PieceHot) {
			return fmt.Errorf("%s is missing", name)
		}
	}
	return backupname.CheckID(c.Piece.ID)
}

func validContent(name string) bool {
	if slices.Contains(described, name) {
		return true
	}
	base, inside := strings.CutPrefix(name, enginePrefix)
	return inside && engineFile.MatchString(base) && !strings.Contains(base, "..") && !isOwn(base)
}

// matches compares the engine's files with the piece's own manifest, both ways.
func (c Content) matches(m Manifest) error {
	listed := map[string]File{}
	for _, f := range c.Files {
		listed[f.Name] = f
	}
	for _, want := range m.Files {
		got, found := listed[enginePrefix+want.Name]
		if !found || got.Size != want.Size || want.SHA256 != "" && got.SHA256 != want.SHA256 {
			return fmt.Errorf("%s: not the file of the piece's manifest", want.Name)
		}
		delete(listed, enginePrefix+want.Name)
	}
	for name := range listed {
		if strings.HasPrefix(name, enginePrefix) {
			return fmt.Errorf("%s: not in the piece's manifest", name)
		}
	}
	return nil
}

func (c Content) sum(name string) string {
	i := slices.IndexFunc(c.Files, func(f File) bool { return f.Name == name })
	return c.Files[i].SHA256
}

// Content lists the piece. Hashes come from its manifest. It computes those that the
// manifest does not have, which are a failsafe's.
func (f Folder) Content(ctx context.Context) (c Content, err error) {
	if c.Piece, err = f.Meta(); err != nil {
		return c, err
	}
	m, err := f.ListedManifest()
	if err != nil {
		return c, err
	}
	for _, file := range m.Files {
		if file.SHA256 == "" {
			if file.SHA256, err = Hash(ctx, f.disk, f.disk.PathJoin(f.EngineDir(), file.Name)); err != nil {
				return c, fmt.Errorf("%s: %w", file.Name, err)
			}
		}
		file.Name = enginePrefix + file.Name
		c.Files = append(c.Files, file)
	}
	for _, name := range described {
		data, err := f.disk.ReadFile(f.at(name))
		if name == FileCertificate && errors.Is(err, fs.ErrNotExist) && c.Piece.Kind != dbclient.PieceHot {
			continue
		}
		if err != nil {
			return c, err
		}
		c.Files = append(c.Files, File{Name: name, Size: int64(len(data)), SHA256: sumOf(data)})
	}
	return c, c.Check()
}

// OpenFile opens a file by its name in a Content; [apierror.BadParameter] for a name that
// cannot be in one.
func (f Folder) OpenFile(name string) (io.ReadCloser, error) {
	if !validContent(name) {
		return nil, apierror.New(apierror.BadParameter, "%q is no file of a piece", name)
	}
	return f.disk.Open(f.PathOf(name), vfs.SequentialReadsOption)
}

// PathOf is where the file is that a Content names.
func (f Folder) PathOf(name string) string {
	return f.disk.PathJoin(append([]string{f.path}, strings.Split(name, "/")...)...)
}

// Matches checks that the small files in the folder belong to the piece that c lists:
// META to its id and server, and META's hashes and the manifest to its files. It does
// not read the engine.
func (f Folder) Matches(c Content) error {
	meta, err := f.Meta()
	if err != nil {
		return err
	}
	m, err := f.ListedManifest()
	if err != nil {
		return err
	}
	return c.describedBy(meta, m)
}

// describedBy checks that META and the manifest are those of the piece that c lists.
func (c Content) describedBy(meta dbclient.Piece, m Manifest) error {
	switch {
	case meta.ID != c.Piece.ID || meta.ServerID != c.Piece.ServerID:
		return fmt.Errorf("%s is of backup %s and %s", FileMeta, meta.ID, meta.ServerID)
	case meta.ManifestSHA256 != c.sum(FileManifest):
		return fmt.Errorf("%s: differs from the hash in %s", FileManifest, FileMeta)
	case meta.AgencyDumpSHA256 != c.sum(FileDump):
		return fmt.Errorf("%s: differs from the hash in %s", FileDump, FileMeta)
	}
	return c.matches(m)
}
