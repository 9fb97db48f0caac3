package pieces

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/backup"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// Downloads has what downloads have left of backups.
type Downloads interface {
	// Forget gives back the space of what a download has left of a backup.
	Forget(ctx context.Context, id string) error
}

// Config says whose pieces are managed, and with what.
type Config struct {
	ID        string // of this server
	Store     *backup.Store
	Downloads Downloads
	Reader    *Reader
	Agency    *agencyclient.Client
	Timeout   time.Duration // of one question to the agency
	Epoch     func() uint64 // of the open data
	Logger    hclog.Logger
}

// Manager publishes, removes and stages as the agency says. Its methods may be used from any
// goroutine.
type Manager struct {
	Config
	naming  turn
	staging turn
}

// NewManager makes a Manager; it does nothing until asked.
func NewManager(c Config) *Manager {
	return &Manager{Config: c, naming: make(turn, 1), staging: make(turn, 1)}
}

// turn lets one goroutine go on at a time. Waiting ends with the context.
//
// naming is held from the agency's answer about a piece until the piece has, or has lost, its
// name by it. Without it a publish could come between a delete's answer and the delete.
type turn chan struct{}

func (t turn) take(ctx context.Context) (giveBack func(), err error) {
	select {
	case t <- struct{}{}:
		return func() { <-t }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for another piece: %w", context.Cause(ctx))
	}
}

// readIn takes a turn and then asks the agency, so the answer is not older than the turn.
func (m *Manager) readIn(ctx context.Context, t turn) (record Record, done func(), err error) {
	done, err = t.take(ctx)
	if err != nil {
		return Record{}, nil, err
	}
	if record, err = m.Reader.Read(ctx); err != nil {
		done()
		return Record{}, nil, err
	}
	return record, done, nil
}

// Publish publishes a piece whose backup the agency has as committed. The caller may be late:
// the backup may have been deleted since. [apierror.BackupConflict]: it is not committed.
func (m *Manager) Publish(ctx context.Context, q dbclient.PieceRequest) error {
	record, done, err := m.readIn(ctx, m.naming)
	if err != nil {
		return err
	}
	defer done()
	if (q.Nonce == "" || record.committed[q.ID] != q.Nonce) && !failpoint.Off("publish-if-committed") {
		return apierror.New(apierror.BackupConflict, "backup %s is not committed", q.ID)
	}
	if err := failpoint.Hit(ctx, "dbserver/pieces/publish", m.ID); err != nil {
		return err
	}
	return m.Store.Attempts.Publish(ctx, q.ID, q.Nonce)
}

// Drop removes a pending piece, unless its backup is committed: a coordinator that does not
// know the outcome of its commit must not undo it.
func (m *Manager) Drop(ctx context.Context, q dbclient.PieceRequest) error {
	if q.Nonce == "" {
		return apierror.New(apierror.BadParameter, "drop names no nonce")
	}
	record, err := m.Reader.Read(ctx)
	if err != nil {
		return err
	}
	if record.committed[q.ID] == q.Nonce && !failpoint.Off("drop-if-not-committed") {
		return apierror.New(apierror.BackupConflict, "backup %s is committed", q.ID)
	}
	return m.Store.Attempts.Drop(ctx, q.ID, q.Nonce)
}

// Delete removes this server's piece of a backup that the agency has as deleted, and then the
// tombstone. It does not go by its caller, whose request may come late: a backup of that id may
// be here again. [apierror.BackupConflict]: the agency does not have it as deleted;
// [apierror.FileNotFound]: there is no piece. In any case it gives back what a download has left
// of the backup.
func (m *Manager) Delete(ctx context.Context, q dbclient.PieceRequest) error {
	record, done, err := m.readIn(ctx, m.naming)
	if err != nil {
		return err
	}
	defer done()
	if slices.Contains(record.deleted, q.ID) || failpoint.Off("delete-if-deleted") {
		return m.removeDeleted(ctx, q.ID)
	}
	if err = m.Store.Published.Find(q.ID); err == nil {
		return apierror.New(apierror.BackupConflict, "backup %s is not deleted: the agency does not say so", q.ID)
	}
	return errors.Join(err, m.forgetDownload(ctx, q.ID))
}

// removeDeleted removes the piece of a deleted backup, if there is one, and then the tombstone.
// The tombstone is last: while it is there no backup of that id can be brought here.
func (m *Manager) removeDeleted(ctx context.Context, id string) error {
	err := m.Store.Published.Delete(id)
	if errors.Is(err, apierror.FileNotFound) || errors.Is(err, apierror.BadParameter) { // it never had one
		err = nil
	}
	if err = errors.Join(err, m.forgetDownload(ctx, id)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, m.Timeout)
	defer cancel()
	if _, err := m.Agency.Write(ctx, agencyclient.Tx{Ops: map[string]any{keys.HotBackupDeletion(m.ID, id): agencyclient.Delete()}}); err != nil {
		return fmt.Errorf("report that the piece of %s is removed: %w", id, err)
	}
	return nil
}

func (m *Manager) forgetDownload(ctx context.Context, id string) error {
	if err := m.Downloads.Forget(ctx, id); !errors.Is(err, apierror.BadParameter) {
		return err
	}
	return nil
}

// Stage stages a restore whose nonce holds the agency lock. A late request is refused: it must
// replace neither what another restore staged that has taken the lock since, nor what is
// committed. [apierror.WrongEpoch]: the cluster has reached the epoch.
func (m *Manager) Stage(ctx context.Context, q dbclient.StageRequest) error {
	record, done, err := m.readIn(ctx, m.staging)
	if err != nil {
		return err
	}
	defer done()
	if reached := max(record.Epoch, m.Epoch()); q.Epoch <= reached {
		return apierror.New(apierror.WrongEpoch, "cannot stage epoch %d: the cluster has reached epoch %d", q.Epoch, reached)
	}
	if record.holder != q.Nonce && !failpoint.Off("stage-under-lock") {
		return apierror.New(apierror.BackupConflict, "restore of %s does not hold the agency lock", q.ID)
	}
	return m.Store.Restores.Stage(ctx, q)
}

// Unstage removes what was staged, unless its restore is committed.
func (m *Manager) Unstage(ctx context.Context, q dbclient.UnstageRequest) error {
	record, done, err := m.readIn(ctx, m.staging)
	if err != nil {
		return err
	}
	defer done()
	if record.Restore.Nonce == q.Nonce && record.Restore.Epoch == q.Epoch && !failpoint.Off("unstage-if-not-committed") {
		return apierror.New(apierror.BackupConflict, "the restore of epoch %d is committed", q.Epoch)
	}
	return m.Store.Restores.Unstage(ctx, q)
}
