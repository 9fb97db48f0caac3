package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/internal/apierror"
	"stasis/internal/backupname"
)

// Config says where the pieces are and whose they are.
type Config struct {
	FS       vfs.FS // nil: the operating system's
	Dir      string // the server's data directory; engine and backups are inside
	ServerID string
	Version  string // goes into META
	Logger   hclog.Logger
	Engine   engine.Options // for staging; FS and Logger are filled in
}

// Store has the pieces of one server.
type Store struct {
	config Config
	log    hclog.Logger
	fs     disk

	mu       sync.Mutex
	attempts map[string]*attempt // by id

	staging chan struct{} // held while what is staged gets or loses its name; files are touched meanwhile
}

// attempt is the making of one piece. The step under way has the turn. It may hang with
// the disk, and those after it then hang like it: it is no mutex, since those who wait
// wait for the disk.
type attempt struct {
	turn   chan struct{}
	cut    *engine.Cut
	linked bool

	steps  int                // under way or waiting; guarded by Store.mu
	cancel context.CancelFunc // of a Link under way; guarded by Store.mu
}

// Open makes the folder for backups if it is missing, and removes what a process
// left that died while it built or removed something. Pending pieces and staged
// restores stay: see Resolve and ResolveStaged.
func Open(c Config) (*Store, error) {
	if c.FS == nil {
		c.FS = vfs.Default
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	c.Engine.FS, c.Engine.Logger = c.FS, c.Logger.Named("staging")
	s := &Store{config: c, log: c.Logger, fs: disk{c.FS}, attempts: map[string]*attempt{}, staging: make(chan struct{}, 1)}
	if err := s.fs.mkdir(s.backups()); err != nil {
		return nil, fmt.Errorf("make folder for backups: %w", err)
	}
	if err := s.removeLeftovers(s.backups(), ""); err != nil {
		return nil, err
	}
	if err := s.removeLeftovers(c.Dir, dirEngine); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Store) removeLeftovers(dir, prefix string) error {
	names, err := s.fs.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !isLeftover(name) || !strings.HasPrefix(name, prefix) {
			continue
		}
		s.log.Info("removing leftover", "name", name)
		if err := s.fs.RemoveAll(s.fs.PathJoin(dir, name)); err != nil {
			return fmt.Errorf("remove leftover %s: %w", name, err)
		}
	}
	return nil
}

// metered is the store for work on files that is counted; it has no attempts.
func (s *Store) metered(m *engine.Meter) *Store {
	if m == nil {
		return s
	}
	c := s.config
	c.FS = m.FS(c.FS)
	c.Engine.FS = c.FS
	return &Store{config: c, log: s.log, fs: disk{c.FS}}
}

// EngineDir is the live engine's directory.
func (s *Store) EngineDir() string { return s.fs.PathJoin(s.config.Dir, dirEngine) }

func (s *Store) backups() string { return s.fs.PathJoin(s.config.Dir, dirBackups) }

func (s *Store) published(id string) string { return s.fs.PathJoin(s.backups(), id) }

func (s *Store) pending(id string) string { return s.published(id) + suffixPending }

// List gives the published pieces, ordered by id: all, or those asked for that
// are here. It reads nothing but METAs unless asked for details. A piece whose
// META cannot be read is not listed, but logged; Verify names what is wrong.
func (s *Store) List(req dbclient.ListRequest) ([]dbclient.PieceDetail, error) {
	names, err := s.fs.List(s.backups())
	if err != nil {
		return nil, fmt.Errorf("list backups: %w", err)
	}
	slices.Sort(names)
	pieces := []dbclient.PieceDetail{}
	for _, name := range names {
		if backupname.CheckID(name) != nil || len(req.IDs) > 0 && !slices.Contains(req.IDs, name) {
			continue
		}
		detail, err := s.detail(name, req.WithDetails)
		if err != nil {
			s.log.Warn("piece not listed", "id", name, "error", err)
			continue
		}
		pieces = append(pieces, detail)
	}
	return pieces, nil
}

func (s *Store) detail(id string, all bool) (dbclient.PieceDetail, error) {
	piece, err := s.meta(s.published(id))
	if err != nil || !all {
		return dbclient.PieceDetail{Piece: piece}, err
	}
	detail := dbclient.PieceDetail{Piece: piece, AgencyDump: &dbclient.AgencyDump{}}
	if err := s.fs.readJSON(s.fs.PathJoin(s.published(id), fileDump), detail.AgencyDump); err != nil {
		return detail, err
	}
	if detail.Certificate, err = s.certificate(s.published(id)); err != nil {
		return detail, err
	}
	described, err := s.described(s.published(id))
	if err != nil { // who needs them finds them missing; verify says why
		s.log.Warn("piece listed without its replicas", "id", id, "error", err)
	}
	detail.Replicas = described.Replicas
	return detail, nil
}

// meta reads the META of the piece in dir.
func (s *Store) meta(dir string) (dbclient.Piece, error) {
	var piece dbclient.Piece
	err := s.fs.readJSON(s.fs.PathJoin(dir, fileMeta), &piece)
	return piece, err
}

// certificate reads a piece's certificate; a failsafe has none.
func (s *Store) certificate(dir string) (json.RawMessage, error) {
	data, err := s.fs.readFile(s.fs.PathJoin(dir, fileCertificate))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && !json.Valid(data) {
		err = fmt.Errorf("%s is no JSON", fileCertificate)
	}
	return data, err
}

// Delete removes a published piece; apierror.FileNotFound if there is none. It is
// unlisted at once, whatever happens later.
func (s *Store) Delete(id string) error {
	if err := s.Find(id); err != nil {
		return err
	}
	return s.fs.discard(s.published(id))
}

// Find answers apierror.FileNotFound unless the piece is published here.
func (s *Store) Find(id string) error {
	if err := backupname.CheckID(id); err != nil {
		return err
	}
	found, err := s.fs.exists(s.published(id))
	if err == nil && !found {
		err = apierror.New(apierror.FileNotFound, "no piece of backup %s on %s", id, s.config.ServerID)
	}
	return err
}
