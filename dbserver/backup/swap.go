package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// FinishSwap puts the engine that this nonce staged for epoch in place of the live one,
// which becomes the failsafe piece. It also finishes a swap that a crash interrupted at
// any point. swapped is false if nothing is staged for epoch: the swap was finished
// before, or the restore was never staged. A restore of another nonce is
// [apierror.BackupConflict] and stays. The restore must be committed and the engine
// closed. Older failsafe pieces stay, because the new one may be the only part of its
// backup so far: the agency says when the older ones go.
func (r *Restores) FinishSwap(epoch uint64, nonce string) (swapped bool, err error) {
	req, found, err := r.staged(epoch)
	if err != nil || !found {
		return false, err
	}
	if req.Nonce != nonce && !failpoint.Off("swap-of-nonce") {
		return false, apierror.New(apierror.BackupConflict, "what is staged for epoch %d is of nonce %s", epoch, req.Nonce)
	}
	for _, step := range []func(dbclient.StageRequest) error{
		r.setAside, r.putInPlace, r.publishFailsafe,
	} {
		if err := step(req); err != nil {
			return false, fmt.Errorf("swap to epoch %d: %w", epoch, piece.NoSpace(err))
		}
	}
	return true, r.disk.Discard(r.stagedPath(epoch))
}

// isRestored says whether the engine in dir is the one that req staged. exists is false
// when there is no folder.
func (r *Restores) isRestored(dir string, req dbclient.StageRequest) (restored, exists bool, err error) {
	if exists, err = r.disk.Exists(dir); err != nil || !exists {
		return false, false, err
	}
	from, err := r.restoreOf(dir)
	return from == restoredFile{Epoch: req.Epoch, Nonce: req.Nonce}, true, err
}

// setAside moves the old engine into the failsafe's pending folder.
func (r *Restores) setAside(req dbclient.StageRequest) error {
	restored, exists, err := r.isRestored(r.engineDir(), req)
	if err != nil || restored || !exists {
		return err
	}
	pending := r.pendingPath(req.FailsafeID)
	if err := r.disk.MakeDir(pending); err != nil {
		return err
	}
	f := attemptFile{ID: req.FailsafeID, Nonce: req.Nonce, Kind: dbclient.PieceFailsafe}
	if err := r.disk.WriteJSON(r.disk.PathJoin(pending, fileAttempt), f); err != nil {
		return err
	}
	target := r.pending(req.FailsafeID).EngineDir()
	moved, err := r.disk.Exists(target)
	if err != nil {
		return err
	}
	if moved { // a crash kept both names of the move: the target's was synced first
		return r.disk.Discard(r.engineDir())
	}
	return r.disk.Move(r.engineDir(), target)
}

// putInPlace moves the staged engine to where the old one was.
func (r *Restores) putInPlace(req dbclient.StageRequest) error {
	exists, err := r.disk.Exists(r.engineDir())
	if err != nil || exists {
		return err
	}
	return r.disk.Move(r.disk.PathJoin(r.stagedPath(req.Epoch), piece.DirEngine), r.engineDir())
}

// publishFailsafe makes the engine that was set aside a piece like any other, but
// without hashes: its files have been moved, not read.
func (r *Restores) publishFailsafe(req dbclient.StageRequest) error {
	pending := r.pendingPath(req.FailsafeID)
	published, err := r.published(req.FailsafeID).Exists()
	if err != nil {
		return err
	}
	if published {
		return r.disk.Discard(pending)
	}
	aside := r.pending(req.FailsafeID).EngineDir()
	if _, err := r.disk.Stat(aside); errors.Is(err, fs.ErrNotExist) {
		return r.disk.Discard(pending) // there was no engine
	} else if err != nil {
		return err
	}
	if err := r.describeFailsafe(req, aside); err != nil {
		return err
	}
	return r.disk.Move(pending, r.publishedPath(req.FailsafeID))
}

func (r *Restores) describeFailsafe(req dbclient.StageRequest, aside string) error {
	if err := r.syncEngine(aside); err != nil {
		return err
	}
	from, err := r.restoreOf(aside)
	if err != nil {
		return err
	}
	manifest, err := piece.Inventory(context.Background(), r.disk.FS, aside, piece.Sized, piece.Known{})
	if err != nil {
		return err
	}
	_, err = r.pending(req.FailsafeID).Describe(dbclient.Piece{
		ID: req.FailsafeID, DateTime: req.FailsafeTime, Label: dbclient.PieceFailsafe, Kind: dbclient.PieceFailsafe,
		Nonce: req.Nonce, Epoch: from.Epoch, NrDBServers: req.NrDBServers, ServerID: r.serverID, Version: r.version,
	}, req.FailsafeDump, manifest)
	return err
}

// syncEngine makes durable what an engine that was not closed, or removed files without
// syncing its folder, has left to the next crash: the manifest is about to say what is
// there.
func (r *Restores) syncEngine(dir string) error {
	names, err := r.disk.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if engine.IsImmutable(name) { // synced when they were made
			continue
		}
		f, err := r.disk.Open(r.disk.PathJoin(dir, name))
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return fmt.Errorf("sync %s: %w", name, err)
		}
	}
	return r.disk.SyncDir(dir)
}

// ResolveStaged swaps in, removes or keeps each restore that waits. It calls decide for
// each. The engine must be closed. The returned error joins everything that went wrong.
func (r *Restores) ResolveStaged(ctx context.Context, decide func(ctx context.Context, s Staged) (Fate, error)) error {
	staged, err := r.Staged()
	if err != nil {
		return err
	}
	var all error
	for _, s := range staged {
		fate, err := decide(ctx, s)
		switch {
		case err != nil:
		case fate == Finish:
			_, err = r.FinishSwap(s.Epoch, s.Nonce)
		case fate == Remove:
			err = r.Unstage(ctx, dbclient.UnstageRequest{Epoch: s.Epoch, Nonce: s.Nonce})
		}
		if err != nil {
			all = errors.Join(all, fmt.Errorf("staged restore %d: %w", s.Epoch, err))
		}
	}
	return all
}
