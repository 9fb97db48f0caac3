package pieces

import (
	"context"
	"errors"
	"fmt"

	agencyclient "stasis/agency/client"
	"stasis/dbserver/backup"
	dbclient "stasis/dbserver/client"
	"stasis/internal/failpoint"
)

// ResolveIfDecided is Resolve if a tree says that there is something to do. The tree only says
// when to look; the agency itself decides.
func (m *Manager) ResolveIfDecided(ctx context.Context, root *agencyclient.Node) error {
	seen, err := RecordIn(root, m.ID)
	if err != nil {
		return err
	}
	pending, err := m.Store.Attempts.Pending()
	if err != nil {
		return fmt.Errorf("list pending pieces: %w", err)
	}
	staged, err := m.Store.Restores.Staged()
	if err != nil {
		return err
	}
	decided := len(seen.deleted) > 0
	for _, p := range pending {
		decided = decided || seen.fateOfPiece(p.ID, p.Nonce) != backup.Keep
	}
	for _, s := range staged {
		decided = decided || seen.fateOfStaged(s) != backup.Keep
	}
	if !decided {
		return nil
	}
	return m.Resolve(ctx)
}

// Resolve publishes or removes what is pending, and removes staged restores that will not be
// committed and the pieces of deleted backups. What is undecided stays.
func (m *Manager) Resolve(ctx context.Context) error {
	done, err := m.naming.take(ctx)
	if err != nil {
		return err
	}
	defer done()
	// The agency is asked after the folders were listed. So what was found was begun under a
	// lock that the answer knows of, or its lock is over.
	err = m.Store.Attempts.Resolve(ctx, func(ctx context.Context, id, nonce string) (backup.Fate, error) {
		record, err := m.Reader.Read(ctx)
		return record.fateOfPiece(id, nonce), err
	})
	return errors.Join(err, m.removeStaged(ctx), m.removeAllDeleted(ctx))
}

// removeStaged removes staged restores that will not be committed.
func (m *Manager) removeStaged(ctx context.Context) error {
	staged, err := m.Store.Restores.Staged()
	errs := []error{err}
	for _, s := range staged {
		record, err := m.Reader.Read(ctx)
		if failpoint.Off("staged-by-agency") {
			record, err = m.Reader.cached()
		}
		if err == nil && record.fateOfStaged(s) == backup.Remove {
			err = m.Store.Restores.Unstage(ctx, dbclient.UnstageRequest{Epoch: s.Epoch, Nonce: s.Nonce})
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// removeAllDeleted removes the pieces of all backups that were deleted while this server was
// away. Its caller holds naming.
func (m *Manager) removeAllDeleted(ctx context.Context) error {
	record, err := m.Reader.Read(ctx)
	for _, id := range record.deleted {
		m.Logger.Info("removing the piece of a deleted backup", "id", id)
		err = errors.Join(err, m.removeDeleted(ctx, id))
	}
	return err
}

// SwapIn puts a committed restore in the place of the engine, and removes staged restores that
// will not be committed. Undecided ones stay. No engine is open.
func (m *Manager) SwapIn(ctx context.Context, record Record) (swapped bool, err error) {
	err = m.Store.Restores.ResolveStaged(ctx, func(ctx context.Context, s backup.Staged) (backup.Fate, error) {
		fate := record.fateOfStaged(s)
		if fate == backup.Finish {
			swapped = true
		}
		if fate == backup.Remove && !failpoint.Off("staged-is-asked-again") { // it may have been staged after record was read
			now, err := m.Reader.Read(ctx)
			if err != nil || now.fateOfStaged(s) != backup.Remove {
				return backup.Keep, err
			}
		}
		return fate, nil
	})
	return swapped, err
}
