package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/internal/apierror"
	"stasis/internal/backupname"
	"stasis/internal/failpoint"
)

// attemptFile is the content of ATTEMPT: who makes the piece.
type attemptFile struct {
	ID    string `json:"id"`
	Nonce string `json:"nonce"`
	Kind  string `json:"kind"`
}

// step begins a step of the piece id: it waits for the step under way.
func (s *Store) step(id string) (a *attempt, end func(), err error) {
	if err := backupname.CheckID(id); err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	a = s.attempts[id]
	if a == nil {
		a = &attempt{turn: make(chan struct{}, 1)}
		s.attempts[id] = a
	}
	a.steps++
	s.mu.Unlock()
	a.turn <- struct{}{}
	return a, func() { s.endStep(id, a) }, nil
}

// endStep forgets the attempt when no step of it is left and it has no cut.
func (s *Store) endStep(id string, a *attempt) {
	idle := a.cut == nil
	<-a.turn
	s.mu.Lock()
	defer s.mu.Unlock()
	a.steps--
	if a.steps == 0 && idle {
		delete(s.attempts, id)
	}
}

// Prepare makes the pending piece's folder and does what can be done before the
// gate is held. Asked again with the same nonce it prepares again. Another nonce's
// piece of that id, pending or published, is apierror.BackupConflict.
func (s *Store) Prepare(ctx context.Context, e *engine.Engine, id, nonce string) error {
	_, end, err := s.step(id)
	if err != nil {
		return err
	}
	defer end()
	if nonce == "" {
		return apierror.New(apierror.BadParameter, "backup %s has no nonce", id)
	}
	if err := s.claim(id, nonce); err != nil {
		return fmt.Errorf("prepare piece %s: %w", id, err)
	}
	return e.PrepareCut(ctx)
}

// claim makes the pending folder, durably, and never without its ATTEMPT: Resolve
// may look at any moment.
func (s *Store) claim(id, nonce string) error {
	if found, err := s.fs.exists(s.published(id)); err != nil || found {
		return errors.Join(err, conflict(id, found))
	}
	found, err := s.fs.exists(s.pending(id))
	if err != nil {
		return err
	}
	if found {
		return s.owned(id, nonce)
	}
	building := s.pending(id) + suffixTemp
	if err := s.fs.mkdir(building); err != nil {
		return err
	}
	err = s.fs.writeJSON(s.fs.PathJoin(building, fileAttempt), attemptFile{ID: id, Nonce: nonce, Kind: dbclient.PieceHot})
	if err == nil {
		err = s.fs.rename(building, s.pending(id))
	}
	if err != nil {
		return errors.Join(err, s.fs.RemoveAll(building))
	}
	return nil
}

func conflict(id string, found bool) error {
	if !found {
		return nil
	}
	return apierror.New(apierror.BackupConflict, "backup %s has a piece here already", id)
}

// owned answers apierror.BackupConflict unless the pending piece is nonce's, and
// apierror.FileNotFound when there is none.
func (s *Store) owned(id, nonce string) error {
	found, err := s.fs.exists(s.pending(id))
	if err != nil {
		return err
	}
	if !found {
		return apierror.New(apierror.FileNotFound, "no pending piece of backup %s on %s", id, s.config.ServerID)
	}
	var f attemptFile
	if err := s.fs.readJSON(s.fs.PathJoin(s.pending(id), fileAttempt), &f); err != nil {
		return err
	}
	return conflict(id, f.Nonce != nonce && !failpoint.Off("piece-of-nonce"))
}

// Cut fixes the piece's content; the caller holds the gate. apierror.CutMissed
// when ctx ends first: then Cut may be asked for again. It says how long it took.
func (s *Store) Cut(ctx context.Context, e *engine.Engine, id, nonce string) (time.Duration, error) {
	a, end, err := s.step(id)
	if err != nil {
		return 0, err
	}
	defer end()
	if err := s.owned(id, nonce); err != nil {
		return 0, err
	}
	if a.cut != nil {
		return 0, apierror.New(apierror.BackupConflict, "backup %s has its cut already", id)
	}
	cut, err := e.BeginCut(ctx, s.fs.PathJoin(s.pending(id), dirEngine))
	if err != nil {
		return 0, fmt.Errorf("piece %s: %w", id, err)
	}
	a.cut = cut
	return cut.Took(), nil
}

// Link waits for the files of the cut and makes the pending piece complete and
// durable, all but its certificate. If it fails, nothing of the piece remains; a
// full disk is apierror.NoSpace.
func (s *Store) Link(ctx context.Context, req dbclient.LinkRequest) (dbclient.Piece, error) {
	a, end, err := s.step(req.ID)
	if err != nil {
		return dbclient.Piece{}, err
	}
	defer end()
	if err := backupname.CheckLabel(req.Label); err != nil {
		return dbclient.Piece{}, err
	}
	if err := s.owned(req.ID, req.Nonce); err != nil {
		return dbclient.Piece{}, err
	}
	if a.linked { // the answer was lost
		return s.described(s.pending(req.ID))
	}
	if a.cut == nil {
		return dbclient.Piece{}, apierror.New(apierror.BackupConflict, "backup %s has no cut", req.ID)
	}
	ctx, stop := s.stoppable(ctx, a)
	defer stop()
	piece, err := s.link(ctx, a.cut, req)
	if err != nil {
		return dbclient.Piece{}, errors.Join(fmt.Errorf("link piece %s: %w", req.ID, noSpace(err)), s.remove(a, req.ID))
	}
	a.linked = true
	return piece, nil
}

// stoppable lets Drop end the Link under way.
func (s *Store) stoppable(ctx context.Context, a *attempt) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	a.cancel = cancel
	return ctx, func() {
		cancel()
		s.mu.Lock()
		defer s.mu.Unlock()
		a.cancel = nil
	}
}

func (s *Store) link(ctx context.Context, cut *engine.Cut, req dbclient.LinkRequest) (dbclient.Piece, error) {
	if err := cut.Wait(ctx); err != nil {
		return dbclient.Piece{}, err
	}
	piece := dbclient.Piece{
		ID: req.ID, DateTime: req.DateTime, Label: req.Label, Kind: dbclient.PieceHot, Nonce: req.Nonce,
		Epoch: cut.Epoch(), NrDBServers: req.NrDBServers, PotentiallyInconsistent: req.PotentiallyInconsistent,
	}
	m := engine.MeterOf(ctx)
	counted := s.metered(m)
	home := s.fs.PathJoin(s.pending(req.ID), dirEngine)
	m.Doing("reads where the replicas in its piece stand", nil)
	replicas, err := counted.replicas(home, req.Statements)
	if err != nil {
		return piece, err
	}
	m.Doing("hashes the files of its piece", nil)
	manifest, err := counted.inventory(ctx, home, hashed)
	if err != nil {
		return piece, err
	}
	manifest.Replicas, manifest.Statements = replicas, req.Statements
	return s.describe(s.pending(req.ID), piece, req.AgencyDump, manifest)
}

// describe completes a piece whose engine folder is there and has what the manifest says:
// manifest, agency dump and, when they are durable, META.
func (s *Store) describe(dir string, piece dbclient.Piece, dump json.RawMessage, manifest Manifest) (dbclient.Piece, error) {
	data, err := manifest.encode()
	if err != nil {
		return piece, err
	}
	if err := s.fs.writeFile(s.fs.PathJoin(dir, fileManifest), data); err != nil {
		return piece, err
	}
	if err := s.fs.writeFile(s.fs.PathJoin(dir, fileDump), dump); err != nil {
		return piece, err
	}
	piece.ServerID, piece.Version, piece.Keys = s.config.ServerID, s.config.Version, []dbclient.EncryptionKey{}
	piece.NrFiles, piece.SizeInBytes, piece.CountIncludesFilesOnly = len(manifest.Files), manifest.bytes(), true
	piece.ManifestSHA256, piece.AgencyDumpSHA256 = sumOf(data), sumOf(dump)
	err = s.fs.writeJSON(s.fs.PathJoin(dir, fileMeta), piece)
	piece.Replicas = manifest.Replicas
	return piece, err
}

// Seal stores the certificate in the pending piece, durably. Sealing again
// replaces it.
func (s *Store) Seal(req dbclient.SealRequest) error {
	_, end, err := s.step(req.ID)
	if err != nil {
		return err
	}
	defer end()
	if err := s.owned(req.ID, req.Nonce); err != nil {
		return err
	}
	if !json.Valid(req.Certificate) {
		return apierror.New(apierror.BadParameter, "certificate of backup %s is no JSON", req.ID)
	}
	if _, err := s.meta(s.pending(req.ID)); err != nil {
		return fmt.Errorf("seal piece %s before it is linked: %w", req.ID, err)
	}
	return s.fs.writeFile(s.fs.PathJoin(s.pending(req.ID), fileCertificate), req.Certificate)
}

// Publish makes a sealed pending piece a published one. The caller knows that its
// backup is committed. Asked again it does nothing.
func (s *Store) Publish(id, nonce string) error {
	a, end, err := s.step(id)
	if err != nil {
		return err
	}
	defer end()
	found, err := s.fs.exists(s.published(id))
	switch {
	case err != nil:
	case found:
		err = s.publishedBefore(id, nonce)
	default:
		err = s.publish(id, nonce)
	}
	if err == nil {
		a.cut, a.linked = nil, false
	}
	return err
}

// publishedBefore settles a pending piece whose published name is there too, as a
// crash may leave it.
func (s *Store) publishedBefore(id, nonce string) error {
	piece, err := s.meta(s.published(id))
	if err != nil {
		return err
	}
	if piece.Nonce != nonce {
		return conflict(id, true)
	}
	return s.fs.discard(s.pending(id))
}

func (s *Store) publish(id, nonce string) error {
	if err := s.owned(id, nonce); err != nil {
		return err
	}
	for _, name := range []string{fileMeta, fileManifest, fileDump, fileCertificate} {
		if _, err := s.fs.Stat(s.fs.PathJoin(s.pending(id), name)); err != nil {
			return fmt.Errorf("publish piece %s before it is complete: %w", id, err)
		}
	}
	if err := s.fs.rename(s.pending(id), s.published(id)); err != nil {
		return fmt.Errorf("publish piece %s: %w", id, err)
	}
	return nil
}

// Drop removes the pending piece of this nonce, whatever its state, and stops its
// Link; no error if there is none. Another nonce's piece stays. An empty nonce
// stands for any.
func (s *Store) Drop(id, nonce string) error {
	if err := backupname.CheckID(id); err != nil {
		return err
	}
	s.mu.Lock()
	if a := s.attempts[id]; a != nil && a.cancel != nil {
		a.cancel()
	}
	s.mu.Unlock()
	a, end, err := s.step(id)
	if err != nil {
		return err
	}
	defer end()
	err = s.owned(id, nonce)
	switch {
	case err == nil, nonce == "", errors.Is(err, apierror.FileNotFound):
		return s.remove(a, id)
	case errors.Is(err, apierror.BackupConflict):
		return nil
	}
	return err // it may be another nonce's
}

// remove takes away everything of a pending piece, with its cut.
func (s *Store) remove(a *attempt, id string) error {
	var err error
	if a.cut != nil {
		err = a.cut.Drop()
	}
	err = errors.Join(err, s.fs.discard(s.pending(id)))
	if err == nil {
		a.cut, a.linked = nil, false
	}
	return err
}
