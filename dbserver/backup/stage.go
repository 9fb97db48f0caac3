package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/internal/apierror"
	"stasis/internal/backupname"
)

// restoredFile is the content of RESTORED: which restore an engine comes from.
type restoredFile struct {
	Epoch uint64 `json:"epoch"`
	Nonce string `json:"nonce"`
}

// Staged is a restore that waits for the commit, or for its swap.
type Staged struct {
	Epoch uint64
	Nonce string
	ID    string // of the backup
}

func (s *Store) staged(epoch uint64) string { return s.fs.PathJoin(s.config.Dir, stagedName(epoch)) }

// Stage builds the engine that a restore will put in place: from the piece that
// the request names, or empty. Immutable files are linked and the others copied,
// so the piece is never changed. The engine is opened, checked, marked with epoch
// and nonce, closed and synced. What was staged for this epoch is replaced.
func (s *Store) Stage(ctx context.Context, req dbclient.StageRequest) error {
	if err := s.checkStage(req); err != nil {
		return err
	}
	final := s.staged(req.Epoch)
	temp := final + suffixTemp
	s.staging <- struct{}{}
	err := errors.Join(s.fs.discard(final), s.fs.RemoveAll(temp))
	<-s.staging
	if err != nil {
		return fmt.Errorf("replace what was staged: %w", err)
	}
	m := engine.MeterOf(ctx)
	m.Doing("stages its piece", nil)
	if err = s.metered(m).build(ctx, temp, req); err == nil {
		s.staging <- struct{}{}
		err = s.fs.rename(temp, final)
		<-s.staging
	}
	if err != nil {
		return errors.Join(fmt.Errorf("stage %s: %w", req.ID, noSpace(err)), s.fs.RemoveAll(temp))
	}
	return nil
}

func (s *Store) checkStage(req dbclient.StageRequest) error {
	if req.Nonce == "" || req.Epoch == 0 {
		return apierror.New(apierror.BadParameter, "a restore needs an epoch and a nonce")
	}
	if err := backupname.CheckID(req.FailsafeID); err != nil {
		return err
	}
	if req.Empty {
		return nil
	}
	if err := s.Find(req.ID); err != nil {
		return err
	}
	piece, err := s.meta(s.published(req.ID))
	if err == nil && piece.ServerID != req.Source {
		err = apierror.New(apierror.FileNotFound, "the piece of backup %s here is of %s, not of %s", req.ID, piece.ServerID, req.Source)
	}
	return err
}

// build makes a complete staged restore in dir.
func (s *Store) build(ctx context.Context, dir string, req dbclient.StageRequest) error {
	home := s.fs.PathJoin(dir, dirEngine)
	if err := s.fs.MkdirAll(home, 0o700); err != nil {
		return err
	}
	if !req.Empty {
		if err := s.linkEngine(ctx, s.published(req.ID), home); err != nil {
			return err
		}
		if err := engine.Check(s.config.FS, home); err != nil {
			return fmt.Errorf("engine of the piece: %w", inPiece(err))
		}
	}
	if err := s.markEngine(home, req); err != nil {
		return err
	}
	if err := s.fs.writeJSON(s.fs.PathJoin(home, fileRestored), restoredFile{Epoch: req.Epoch, Nonce: req.Nonce}); err != nil {
		return err
	}
	if err := s.fs.writeJSON(s.fs.PathJoin(dir, fileRestore), req); err != nil {
		return err
	}
	return s.fs.syncDir(dir)
}

// linkEngine brings the files of a piece into home, as its manifest lists them. What
// it copies it compares with the manifest: an engine replays a damaged log up to the
// damage and does not complain. Tables have checksums of their own, see engine.Check.
func (s *Store) linkEngine(ctx context.Context, piece, home string) error {
	manifest, err := s.manifest(piece)
	if err != nil {
		return err
	}
	for _, f := range manifest.Files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.fs.PathBase(f.Name) != f.Name { // a manifest may come from elsewhere
			return fmt.Errorf("%s: names the file %q outside the engine", fileManifest, f.Name)
		}
		from, to := s.fs.PathJoin(piece, dirEngine, f.Name), s.fs.PathJoin(home, f.Name)
		depth := hashed
		if engine.IsImmutable(f.Name) || f.SHA256 == "" {
			depth = sized
		}
		got, err := s.file(ctx, from, depth, nil)
		switch {
		case err != nil:
		case got.Size != f.Size:
			err = fmt.Errorf("has %d bytes instead of %d", got.Size, f.Size)
		case depth == hashed && got.SHA256 != f.SHA256:
			err = errors.New("its content is not what was certified")
		case engine.IsImmutable(f.Name):
			err = s.fs.Link(from, to)
		default:
			err = vfs.Copy(s.fs, from, to)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return s.fs.syncDir(home)
}

// manifest reads the manifest of the piece in dir, which must be the one of its META.
func (s *Store) manifest(dir string) (m Manifest, err error) {
	piece, err := s.meta(dir)
	if err != nil {
		return m, err
	}
	data, err := s.fs.readFile(s.fs.PathJoin(dir, fileManifest))
	if err != nil {
		return m, err
	}
	if sumOf(data) != piece.ManifestSHA256 {
		return m, fmt.Errorf("%s differs from the hash in %s", fileManifest, fileMeta)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("%s: %w", fileManifest, err)
	}
	if m.Format > manifestFormat {
		return m, fmt.Errorf("%s has format %d, which is not known here: a newer version made the piece", fileManifest, m.Format)
	}
	return m, nil
}

// markEngine opens the staged engine for the first time, gives it its epoch, and tells its
// replicas what they were at the cut.
func (s *Store) markEngine(home string, req dbclient.StageRequest) error {
	options := s.config.Engine
	options.MustExist = !req.Empty
	e, err := engine.Open(home, options)
	if err != nil {
		return err
	}
	return errors.Join(e.SetEpoch(req.Epoch, req.Nonce), certify(e, req), e.Close())
}

// Unstage removes what this nonce staged; no error if there is none.
func (s *Store) Unstage(req dbclient.UnstageRequest) error {
	s.staging <- struct{}{}
	defer func() { <-s.staging }()
	r, found, err := s.restore(req.Epoch)
	if err != nil || !found || r.Nonce != req.Nonce {
		return err
	}
	return s.fs.discard(s.staged(req.Epoch))
}

// restore reads the request of a staged restore.
func (s *Store) restore(epoch uint64) (req dbclient.StageRequest, found bool, err error) {
	if found, err = s.fs.exists(s.staged(epoch)); err != nil || !found {
		return req, false, err
	}
	err = s.fs.readJSON(s.fs.PathJoin(s.staged(epoch), fileRestore), &req)
	return req, err == nil, err
}

// Staged gives the restores that wait.
func (s *Store) Staged() ([]Staged, error) {
	names, err := s.fs.List(s.config.Dir)
	if err != nil {
		return nil, err
	}
	var found []Staged
	for _, name := range names {
		digits, ok := strings.CutPrefix(name, prefixStaged)
		epoch, err := strconv.ParseUint(digits, 10, 64)
		if !ok || err != nil || stagedName(epoch) != name {
			continue
		}
		req, _, err := s.restore(epoch)
		if err != nil {
			return nil, fmt.Errorf("staged restore %d: %w", epoch, err)
		}
		found = append(found, Staged{Epoch: epoch, Nonce: req.Nonce, ID: req.ID})
	}
	return found, nil
}

// ResolveStaged settles the restores that wait, as Resolve does with pieces: a
// committed one is swapped in. The engine must be closed.
func (s *Store) ResolveStaged(ctx context.Context, decide func(ctx context.Context, r Staged) (Fate, error)) error {
	staged, err := s.Staged()
	if err != nil {
		return err
	}
	var all error
	for _, r := range staged {
		fate, err := decide(ctx, r)
		switch {
		case err != nil:
		case fate == Finish:
			_, err = s.FinishSwap(r.Epoch, r.Nonce)
		case fate == Remove:
			err = s.Unstage(dbclient.UnstageRequest{Epoch: r.Epoch, Nonce: r.Nonce})
		}
		if err != nil {
			all = errors.Join(all, fmt.Errorf("staged restore %d: %w", r.Epoch, err))
		}
	}
	return all
}
