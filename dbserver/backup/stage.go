package backup

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/internal/apierror"
	"stasis/internal/backupname"
)

// Restores builds the engines of restores beside the live one, and puts them in its
// place. Its methods may be called from any goroutine, FinishSwap and ResolveStaged only
// while the engine is closed.
type Restores struct {
	home
	version string
	engine  engine.Options // of the first opening of a staged engine
	naming  chan struct{}  // held while what is staged gets or loses its name
}

// Staged is a restore that waits for the commit, or for its swap.
type Staged struct {
	Epoch uint64
	Nonce string
	ID    string // of the backup
}

// enter waits for the naming of other staged restores. It is a channel, because they may
// hang with the disk.
func (r *Restores) enter(ctx context.Context) (leave func(), err error) {
	if err := take(ctx, r.naming); err != nil {
		return nil, fmt.Errorf("wait for another staged restore: %w", err)
	}
	return func() { <-r.naming }, nil
}

// Stage builds the engine that a restore will put in place: from the piece that the
// request names, or empty. It links immutable files and copies the others, so that the
// piece is never changed. It opens the engine, checks it, marks it with epoch and nonce,
// closes and syncs it. It replaces what was staged for this epoch.
func (r *Restores) Stage(ctx context.Context, req dbclient.StageRequest) error {
	if err := r.check(req); err != nil {
		return err
	}
	final := r.stagedPath(req.Epoch)
	temp := final + piece.SuffixTemp
	leave, err := r.enter(ctx)
	if err != nil {
		return err
	}
	err = errors.Join(r.disk.Discard(final), r.disk.RemoveAll(temp))
	leave()
	if err != nil {
		return fmt.Errorf("replace what was staged: %w", err)
	}
	m := engine.MeterOf(ctx)
	m.Doing("stages its piece", nil)
	b := builder{disk: piece.Disk{FS: m.FS(r.disk.FS)}, options: r.engine}
	b.options.FS = b.disk.FS
	if err = b.build(ctx, temp, r.publishedPath(req.ID), req); err == nil {
		err = r.name(ctx, temp, final)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("stage %s: %w", req.ID, piece.NoSpace(err)), r.disk.RemoveAll(temp))
	}
	return nil
}

func (r *Restores) name(ctx context.Context, temp, final string) error {
	leave, err := r.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return r.disk.Move(temp, final)
}

func (r *Restores) check(req dbclient.StageRequest) error {
	if req.Nonce == "" || req.Epoch == 0 {
		return apierror.New(apierror.BadParameter, "a restore needs an epoch and a nonce")
	}
	if err := backupname.CheckID(req.FailsafeID); err != nil {
		return err
	}
	if req.Empty {
		return nil
	}
	if err := r.find(req.ID); err != nil {
		return err
	}
	meta, err := r.published(req.ID).Meta()
	if err == nil && meta.ServerID != req.Source {
		err = apierror.New(apierror.FileNotFound, "the piece of backup %s here is of %s, not of %s", req.ID, meta.ServerID, req.Source)
	}
	return err
}

// Unstage removes what this nonce staged. It is no error if there is none.
func (r *Restores) Unstage(ctx context.Context, req dbclient.UnstageRequest) error {
	leave, err := r.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	staged, found, err := r.staged(req.Epoch)
	if err != nil || !found || staged.Nonce != req.Nonce {
		return err
	}
	return r.disk.Discard(r.stagedPath(req.Epoch))
}

// Staged returns the restores that wait.
func (r *Restores) Staged() ([]Staged, error) {
	names, err := r.disk.List(r.dir)
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
		req, _, err := r.staged(epoch)
		if err != nil {
			return nil, fmt.Errorf("staged restore %d: %w", epoch, err)
		}
		found = append(found, Staged{Epoch: epoch, Nonce: req.Nonce, ID: req.ID})
	}
	return found, nil
}
