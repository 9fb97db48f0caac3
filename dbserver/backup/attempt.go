package backup

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/internal/apierror"
	"stasis/internal/backupname"
)

// Attempts makes pieces, step by step, in pending folders. Its methods may be called
// from any goroutine: the steps of one piece wait for each other, or until their
// contexts end.
type Attempts struct {
	home
	version string
	pieces  *Published
	turns   *turns
}

// Prepare makes the pending piece's folder and does what can be done before the gate is
// held. A second call with the same nonce prepares again. If the id has a piece of
// another nonce, pending or published, Prepare returns [apierror.BackupConflict].
func (a *Attempts) Prepare(ctx context.Context, e *engine.Engine, id, nonce string) error {
	_, end, err := a.turns.begin(ctx, id)
	if err != nil {
		return err
	}
	defer end()
	if nonce == "" {
		return apierror.New(apierror.BadParameter, "backup %s has no nonce", id)
	}
	if err := a.claim(id, nonce); err != nil {
		return fmt.Errorf("prepare piece %s: %w", id, err)
	}
	return e.PrepareCut(ctx)
}

// claim makes the pending folder of this nonce, unless it is there.
func (a *Attempts) claim(id, nonce string) error {
	if found, err := a.published(id).Exists(); err != nil || found {
		return errors.Join(err, conflict(id, found))
	}
	found, err := a.pending(id).Exists()
	if err != nil {
		return err
	}
	if found {
		return a.owned(id, nonce)
	}
	return a.makePending(attemptFile{ID: id, Nonce: nonce, Kind: dbclient.PieceHot})
}

// Cut fixes the piece's content, and returns how long that took. The caller holds the
// gate. If ctx ends first, Cut returns [apierror.CutMissed] and may be called again.
func (a *Attempts) Cut(ctx context.Context, e *engine.Engine, id, nonce string) (time.Duration, error) {
	turn, end, err := a.turns.begin(ctx, id)
	if err != nil {
		if ctx.Err() != nil {
			err = apierror.New(apierror.CutMissed, "%w", err)
		}
		return 0, err
	}
	defer end()
	if err := a.owned(id, nonce); err != nil {
		return 0, err
	}
	if turn.cut != nil {
		return 0, apierror.New(apierror.BackupConflict, "backup %s has its cut already", id)
	}
	cut, err := e.BeginCut(ctx, a.pending(id).EngineDir())
	if err != nil {
		return 0, fmt.Errorf("piece %s: %w", id, err)
	}
	turn.cut = cut
	return cut.Took(), nil
}

// Link waits for the files of the cut and makes the pending piece complete and durable,
// except for its certificate. If it fails, nothing of the piece remains. A full disk is
// [apierror.NoSpace]. A second call after a lost answer returns the same piece.
func (a *Attempts) Link(ctx context.Context, req dbclient.LinkRequest) (dbclient.Piece, error) {
	turn, end, err := a.turns.begin(ctx, req.ID)
	if err != nil {
		return dbclient.Piece{}, err
	}
	defer end()
	if err := backupname.CheckLabel(req.Label); err != nil {
		return dbclient.Piece{}, err
	}
	if err := a.owned(req.ID, req.Nonce); err != nil {
		return dbclient.Piece{}, err
	}
	if turn.linked {
		return a.pending(req.ID).WithReplicas()
	}
	if turn.cut == nil {
		return dbclient.Piece{}, apierror.New(apierror.BackupConflict, "backup %s has no cut", req.ID)
	}
	ctx, stop := a.turns.interruptible(ctx, turn)
	defer stop()
	meta, err := a.link(ctx, turn.cut, req)
	if err != nil {
		return dbclient.Piece{}, errors.Join(fmt.Errorf("link piece %s: %w", req.ID, piece.NoSpace(err)), a.remove(turn, req.ID))
	}
	turn.linked = true
	return meta, nil
}

func (a *Attempts) link(ctx context.Context, cut *engine.Cut, req dbclient.LinkRequest) (dbclient.Piece, error) {
	if err := cut.Wait(ctx); err != nil {
		return dbclient.Piece{}, err
	}
	meta := dbclient.Piece{
		ID: req.ID, DateTime: req.DateTime, Label: req.Label, Kind: dbclient.PieceHot, Nonce: req.Nonce,
		Epoch: cut.Epoch(), NrDBServers: req.NrDBServers, PotentiallyInconsistent: req.PotentiallyInconsistent, LockMode: req.LockMode,
		ServerID: a.serverID, Version: a.version,
	}
	m := engine.MeterOf(ctx)
	counted := m.FS(a.disk.FS)
	folder := a.pending(req.ID)
	m.Doing("reads where the replicas in its piece stand", nil)
	replicas, err := piece.Replicas(counted, folder.EngineDir(), req.Statements)
	if err != nil {
		return meta, err
	}
	m.Doing("hashes the files of its piece", nil)
	manifest, err := piece.Inventory(ctx, counted, folder.EngineDir(), piece.Hashed, piece.Known{
		Written: cut.Sum, Earlier: sync.OnceValue(func() piece.Hashes { return a.pieces.knownHashes(counted) }),
	})
	if err != nil {
		return meta, err
	}
	manifest.Replicas, manifest.Statements = replicas, req.Statements
	return folder.Describe(meta, req.AgencyDump, manifest)
}

// Drop removes the pending piece of this nonce, whatever its state, and stops its Link.
// It is no error if there is none. A piece of another nonce stays. An empty nonce stands
// for any.
func (a *Attempts) Drop(ctx context.Context, id, nonce string) error {
	if err := backupname.CheckID(id); err != nil {
		return err
	}
	a.turns.interrupt(id)
	turn, end, err := a.turns.begin(ctx, id)
	if err != nil {
		return err
	}
	defer end()
	err = a.owned(id, nonce)
	switch {
	case err == nil, nonce == "", errors.Is(err, apierror.FileNotFound):
		return a.remove(turn, id)
	case errors.Is(err, apierror.BackupConflict):
		return nil
	}
	return err // the piece may be of another nonce
}

// remove takes away everything of a pending piece, with its cut.
func (a *Attempts) remove(turn *turn, id string) error {
	var err error
	if turn.cut != nil {
		err = turn.cut.Drop()
	}
	err = errors.Join(err, a.disk.Discard(a.pendingPath(id)))
	if err == nil {
		turn.cut, turn.linked = nil, false
	}
	return err
}
