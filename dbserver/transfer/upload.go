package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"stasis/dbserver/backup/piece"
	"stasis/dbserver/transfer/repository"
	"stasis/dbserver/transfer/storage"
)

// upload sends the piece that this server has of a backup; servers are all that have one.
// If its session is lost on the way, it starts again and finds what it has sent at the
// remote.
func (m *mover) upload(ctx context.Context, id string, servers []string) error {
	content, err := m.pieces.Published.Content(ctx, id)
	if err != nil {
		return err
	}
	m.progress.expect(len(content.Files), content.Bytes())
	own, err := m.uploadOnce(ctx, content)
	for errors.Is(err, repository.ErrSessionLost) {
		m.progress.expect(len(content.Files), content.Bytes())
		own, err = m.uploadOnce(ctx, content)
	}
	if err != nil {
		return err
	}
	return m.remote.CompleteBackup(ctx, content.Piece, own, servers)
}

// uploadOnce is one session. It returns what BACKUP.json is to say of the piece.
func (m *mover) uploadOnce(ctx context.Context, content piece.Content) (own repository.PieceMark, err error) {
	s, err := m.remote.BeginUpload(ctx, content.Piece.ID, content.Piece.ServerID)
	if err != nil {
		return own, err
	}
	defer s.Close(ctx)
	u := &sending{mover: m, id: content.Piece.ID}
	if err := u.look(ctx, content.Files); err != nil {
		return own, err
	}
	if err := m.each(ctx, content.Files, func(ctx context.Context, f piece.File) error {
		err := u.ensure(ctx, f)
		if err == nil {
			m.progress.done(f.Size)
		}
		return err
	}); err != nil {
		return own, err
	}
	if own, err = m.remote.PutPiece(ctx, content); err != nil {
		return own, err
	}
	if err := s.Confirm(ctx); err != nil {
		return own, err
	}
	// A manifest names the blobs now. Look again whether those are there that were
	// found, and not sent, and whether one of them has been marked meanwhile.
	counted := u.unsent(content.Files)
	if err := u.look(ctx, counted); err != nil {
		return own, err
	}
	return own, m.each(ctx, counted, u.ensure)
}

// sending is what an upload knows in one session.
type sending struct {
	mover    *mover
	id       string // of the backup
	suspects suspects
	blobs    *repository.Blobs // replaced between the passes
	sent     sync.Map          // hash → true
	turns    sync.Map          // hash → chan struct{}: two files of a piece may have the same content
}

// unsent are the files that were found at the remote. Those that were sent need no second
// look: Put has looked at what arrived, in a session that no prune overlaps.
func (u *sending) unsent(files []piece.File) (counted []piece.File) {
	for _, f := range files {
		if _, sent := u.sent.Load(f.SHA256); !sent {
			counted = append(counted, f)
		}
	}
	return counted
}

// look finds out which content is at the remote, and what of it is marked.
func (u *sending) look(ctx context.Context, files []piece.File) error {
	marks, err := u.mover.remote.Marks(ctx)
	if err != nil {
		return err
	}
	u.suspects.set(marks)
	u.blobs, err = u.mover.remote.Look(ctx, files, u.mover.atOnce)
	return err
}

// ensure sends a file's content, unless it is there and not marked as damaged. Other
// servers may be sending the same content now. While an object is replaced some remotes
// show nothing, so a failed call is repeated.
func (u *sending) ensure(ctx context.Context, f piece.File) error {
	turn, _ := u.turns.LoadOrStore(f.SHA256, make(chan struct{}, 1))
	held := turn.(chan struct{})
	select {
	case held <- struct{}{}:
		defer func() { <-held }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	there, err := u.present(ctx, f)
	if err == nil && !there {
		err = u.mover.remote.Retry(ctx, func() error { return u.put(ctx, f) })
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	return nil
}

func (u *sending) present(ctx context.Context, f piece.File) (bool, error) {
	if u.suspects.has(f.SHA256) {
		return false, nil
	}
	return u.mover.remote.Has(ctx, u.blobs, f)
}

// put sends a file, and reads it back if its blob was marked. It hashes what it reads: a
// file that is damaged on this server is an error that names it, and is not sent.
func (u *sending) put(ctx context.Context, f piece.File) error {
	m := u.mover
	err := m.remote.PutBlob(ctx, f, func() (io.ReadCloser, error) {
		file, err := m.pieces.Published.OpenFile(u.id, f.Name)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", storage.ErrLocal, err)
		}
		return storage.Limited(ctx, newCheckedFile(file, f), m.limit, m.progress.moved), nil
	})
	if err == nil && u.suspects.has(f.SHA256) {
		if err = m.remote.Repaired(ctx, f); err == nil {
			u.suspects.clear(f.SHA256)
		}
	}
	if err == nil {
		u.blobs.Sent(f)
		u.sent.Store(f.SHA256, true)
	}
	return err
}
