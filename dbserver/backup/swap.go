package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// FinishSwap puts the engine that this nonce staged for epoch in place of the
// live one, which becomes the failsafe piece, or finishes doing so after a crash
// at any point. swapped is false when nothing is staged for epoch: it was finished
// before, or never staged. Another nonce's restore is apierror.BackupConflict and
// stays. The restore must be committed and the engine closed. Older failsafe pieces stay:
// this one may be the only part of its backup yet, and the agency says when they go.
func (s *Store) FinishSwap(epoch uint64, nonce string) (swapped bool, err error) {
	req, found, err := s.restore(epoch)
	if err != nil || !found {
		return false, err
	}
	if req.Nonce != nonce && !failpoint.Off("swap-of-nonce") {
		return false, apierror.New(apierror.BackupConflict, "what is staged for epoch %d is of nonce %s", epoch, req.Nonce)
	}
	for _, step := range []func(dbclient.StageRequest) error{
		s.setAside, s.putInPlace, s.publishFailsafe,
	} {
		if err := step(req); err != nil {
			return false, fmt.Errorf("swap to epoch %d: %w", epoch, noSpace(err))
		}
	}
	return true, s.fs.discard(s.staged(epoch))
}

// isRestored says whether the engine in dir is the one that req staged. exists is
// false when there is no folder.
func (s *Store) isRestored(dir string, req dbclient.StageRequest) (restored, exists bool, err error) {
	if exists, err = s.fs.exists(dir); err != nil || !exists {
		return false, false, err
	}
	mark, err := s.mark(dir)
	return mark == restoredFile{Epoch: req.Epoch, Nonce: req.Nonce}, true, err
}

// mark reads which restore an engine comes from; zero if from none.
func (s *Store) mark(dir string) (restoredFile, error) {
	var mark restoredFile
	err := s.fs.readJSON(s.fs.PathJoin(dir, fileRestored), &mark)
	return mark, ignoreMissing(err)
}

// setAside moves the old engine into the failsafe's pending folder.
func (s *Store) setAside(req dbclient.StageRequest) error {
	restored, exists, err := s.isRestored(s.EngineDir(), req)
	if err != nil || restored || !exists {
		return err
	}
	pending := s.pending(req.FailsafeID)
	if err := s.fs.mkdir(pending); err != nil {
		return err
	}
	f := attemptFile{ID: req.FailsafeID, Nonce: req.Nonce, Kind: dbclient.PieceFailsafe}
	if err := s.fs.writeJSON(s.fs.PathJoin(pending, fileAttempt), f); err != nil {
		return err
	}
	target := s.fs.PathJoin(pending, dirEngine)
	moved, err := s.fs.exists(target)
	if err != nil {
		return err
	}
	if moved { // a crash kept both names of the move: the target's was synced first
		return s.fs.discard(s.EngineDir())
	}
	return s.fs.rename(s.EngineDir(), target)
}

// putInPlace moves the staged engine to where the old one was.
func (s *Store) putInPlace(req dbclient.StageRequest) error {
	_, exists, err := s.isRestored(s.EngineDir(), req)
	if err != nil || exists {
		return err
	}
	return s.fs.rename(s.fs.PathJoin(s.staged(req.Epoch), dirEngine), s.EngineDir())
}

// publishFailsafe makes the engine that was set aside a piece like any other, but
// without hashes: its files have been moved, not read.
func (s *Store) publishFailsafe(req dbclient.StageRequest) error {
	published, err := s.fs.exists(s.published(req.FailsafeID))
	if err != nil || published {
		return errors.Join(err, s.discardIf(published, s.pending(req.FailsafeID)))
	}
	pending := s.pending(req.FailsafeID)
	aside := s.fs.PathJoin(pending, dirEngine)
	if _, err := s.fs.Stat(aside); errors.Is(err, fs.ErrNotExist) {
		return s.fs.discard(pending) // there was no engine
	} else if err != nil {
		return err
	}
	if err := s.settleEngine(aside); err != nil {
		return err
	}
	mark, err := s.mark(aside)
	if err != nil {
		return err
	}
	piece := dbclient.Piece{
		ID: req.FailsafeID, DateTime: req.FailsafeTime, Label: dbclient.PieceFailsafe, Kind: dbclient.PieceFailsafe,
		Nonce: req.Nonce, Epoch: mark.Epoch, NrDBServers: req.NrDBServers,
	}
	manifest, err := s.inventory(context.Background(), aside, sized)
	if err != nil {
		return err
	}
	if _, err := s.describe(pending, piece, req.FailsafeDump, manifest); err != nil {
		return err
	}
	return s.fs.rename(pending, s.published(req.FailsafeID))
}

// settleEngine makes durable what an engine that was not closed, or removed files
// without syncing its folder, has left to the next crash: the manifest is about to
// say what is there.
func (s *Store) settleEngine(dir string) error {
	names, err := s.fs.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if engine.IsImmutable(name) { // synced when they were made
			continue
		}
		f, err := s.fs.Open(s.fs.PathJoin(dir, name))
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return fmt.Errorf("sync %s: %w", name, err)
		}
	}
	return s.fs.syncDir(dir)
}

func (s *Store) discardIf(yes bool, path string) error {
	if !yes {
		return nil
	}
	return s.fs.discard(path)
}
