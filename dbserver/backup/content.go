package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/backupname"
)

// enginePrefix stands before the names of engine files in a Content.
const enginePrefix = dirEngine + "/"

// described are the files of a piece beside its engine's, in the order in which
// they are listed.
var described = []string{fileDump, fileCertificate, fileManifest, fileMeta}

// Content is what must be copied for a piece to be complete elsewhere: every file
// with its size and hash, named below the piece's folder ("META",
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

// Check refuses content that is no piece's: names from which no path may be made,
// missing descriptions, names given twice.
func (c Content) Check() error {
	seen := map[string]bool{}
	for _, f := range c.Files {
		if !validContent(f.Name) || seen[f.Name] || f.Size < 0 || len(f.SHA256) != 64 {
			return fmt.Errorf("%q is no file of a piece", f.Name)
		}
		seen[f.Name] = true
	}
	for _, name := range described {
		if !seen[name] && (name != fileCertificate || c.Piece.Kind == dbclient.PieceHot) {
			return fmt.Errorf("%s is missing", name)
		}
	}
	return backupname.CheckID(c.Piece.ID)
}

// engineFile is what a file of an engine may be called.
var engineFile = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

func validContent(name string) bool {
	for _, d := range described {
		if name == d {
			return true
		}
	}
	base, inside := strings.CutPrefix(name, enginePrefix)
	return inside && engineFile.MatchString(base) && !strings.Contains(base, "..") && base != fileLock && base != fileRestored
}

// Content lists a published piece. Hashes come from its manifest, and are computed
// where that has none (a failsafe's); apierror.FileNotFound for an unknown piece.
func (s *Store) Content(ctx context.Context, id string) (Content, error) {
	if err := s.Find(id); err != nil {
		return Content{}, err
	}
	dir := s.published(id)
	c := Content{}
	var err error
	if c.Piece, err = s.meta(dir); err != nil {
		return c, fmt.Errorf("piece %s: %w", id, err)
	}
	var m Manifest
	if err := s.fs.readJSON(s.fs.PathJoin(dir, fileManifest), &m); err != nil {
		return c, fmt.Errorf("piece %s: %w", id, err)
	}
	for _, f := range m.Files {
		if f.SHA256 == "" {
			if f.SHA256, err = s.hash(ctx, s.fs.PathJoin(dir, dirEngine, f.Name)); err != nil {
				return c, fmt.Errorf("piece %s: %s: %w", id, f.Name, err)
			}
		}
		f.Name = enginePrefix + f.Name
		c.Files = append(c.Files, f)
	}
	for _, name := range described {
		data, err := s.fs.readFile(s.fs.PathJoin(dir, name))
		if name == fileCertificate && errors.Is(err, fs.ErrNotExist) && c.Piece.Kind != dbclient.PieceHot {
			continue
		}
		if err != nil {
			return c, fmt.Errorf("piece %s: %w", id, err)
		}
		c.Files = append(c.Files, File{Name: name, Size: int64(len(data)), SHA256: sumOf(data)})
	}
	return c, c.Check()
}

// OpenFile opens a file of a published piece by its name in Content.
func (s *Store) OpenFile(id, name string) (io.ReadCloser, error) {
	if err := s.Find(id); err != nil {
		return nil, err
	}
	if !validContent(name) {
		return nil, apierror.New(apierror.BadParameter, "%q is no file of a piece", name)
	}
	return s.fs.Open(s.path(s.published(id), name), vfs.SequentialReadsOption)
}

// path is where a file of Content is.
func (s *Store) path(dir, name string) string {
	return s.fs.PathJoin(append([]string{dir}, strings.Split(name, "/")...)...)
}

// DumpServers are the DB servers that Plan named when a piece was made.
func (s *Store) DumpServers(id string) ([]string, error) {
	var dump dbclient.AgencyDump
	if err := s.fs.readJSON(s.fs.PathJoin(s.published(id), fileDump), &dump); err != nil {
		return nil, err
	}
	var plans []struct {
		Arango struct {
			Plan struct{ DBServers map[string]json.RawMessage }
		} `json:"arango"`
	}
	if err := json.Unmarshal(dump.Dump, &plans); err != nil {
		return nil, fmt.Errorf("%s: %w", fileDump, err)
	}
	var all []string
	for _, p := range plans {
		for server := range p.Arango.Plan.DBServers {
			all = append(all, server)
		}
	}
	return all, nil
}
