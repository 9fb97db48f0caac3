package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"stasis/dbserver/backup"
	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// errLocal marks an error on this server's side: the remote is not asked again.
var errLocal = errors.New("on this server")

// defaultTransfers is how many files move at once.
const defaultTransfers = 4

// mover moves the files of one piece.
type mover struct {
	remote   Remote // patient
	pieces   *backup.Store
	timing   Timing
	progress *progress
	limit    *rate.Limiter
	atOnce   int
	suspects suspects
	survey   *survey  // of an upload: replaced between its passes
	sent     sync.Map // hash → true: in this session
	sending  sync.Map // hash → *sync.Mutex: two files of a piece may have the same content
}

// each does something with all files, some at once; the first error ends it.
func (m *mover) each(ctx context.Context, files []piece.File, f func(context.Context, piece.File) error) error {
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(m.atOnce)
	for _, file := range files {
		if working.Err() != nil {
			break
		}
		group.Go(func() error { return f(working, file) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// upload sends the piece that this server has of a backup; servers are all that
// have one. A session that was lost on the way begins anew, with all blobs that
// were sent found there.
func (m *mover) upload(ctx context.Context, id string, servers []string) error {
	content, err := m.pieces.Published.Content(ctx, id)
	if err != nil {
		return err
	}
	m.progress.expect(len(content.Files), content.Bytes())
	own, err := m.uploadOnce(ctx, content)
	for errors.Is(err, errSessionLost) {
		m.progress.expect(len(content.Files), content.Bytes())
		own, err = m.uploadOnce(ctx, content)
	}
	if err != nil {
		return err
	}
	return m.completeBackup(ctx, content.Piece, own, servers)
}

// uploadOnce is one session, and says what BACKUP.json says of the piece then.
func (m *mover) uploadOnce(ctx context.Context, content piece.Content) (own pieceMark, err error) {
	id, server := content.Piece.ID, content.Piece.ServerID
	s, err := openSession(ctx, m.remote, m.timing.Lease, uploadPrefix(id, server), "upload of backup "+id+" by "+server)
	if err != nil {
		return own, err
	}
	defer s.close(ctx)
	m.sent.Clear()
	if !failpoint.Off("upload-waits-for-prune") {
		if err := awaitDead(ctx, m.remote, m.timing.Lease, sessionName(sessionPrune, ""), true); err != nil {
			return own, err
		}
	}
	if err := m.lookAround(ctx, content.Files); err != nil {
		return own, err
	}
	if err := m.each(ctx, content.Files, m.send(id)); err != nil {
		return own, err
	}
	if own, err = m.putPiece(ctx, content); err != nil {
		return own, err
	}
	if err := s.confirm(ctx); err != nil {
		return own, err
	}
	counted := m.unsent(content.Files)
	if err := m.lookAround(ctx, counted); err != nil {
		return own, err
	}
	return own, m.each(ctx, counted, m.insist(id))
}

// unsent are the files that were found at the remote, and so not sent. Of those that
// were, Put has looked what arrived, in a session that no prune overlaps.
func (m *mover) unsent(files []piece.File) (counted []piece.File) {
	for _, f := range files {
		if _, sent := m.sent.Load(f.SHA256); !sent {
			counted = append(counted, f)
		}
	}
	return counted
}

// lookAround finds out which content is at the remote, and what of it is marked.
func (m *mover) lookAround(ctx context.Context, files []piece.File) (err error) {
	if err := m.suspects.look(ctx, m.remote); err != nil {
		return err
	}
	m.survey, err = look(ctx, m.remote, files, m.atOnce)
	return err
}

// putPiece writes the piece's manifest, unless it is there already.
func (m *mover) putPiece(ctx context.Context, content piece.Content) (pieceMark, error) {
	id, server := content.Piece.ID, content.Piece.ServerID
	there, mark, err := readPiece(ctx, m.remote, id, server, "")
	if err == nil && there.Piece.Nonce == content.Piece.Nonce && slices.Equal(there.Files, content.Files) {
		return mark, nil
	}
	if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, errDamaged) {
		return pieceMark{}, err
	}
	sum, err := putChecked(ctx, m.remote, pieceName(id, server), pieceManifest{Format: formatNumber, Piece: content.Piece, Files: content.Files})
	return pieceMark{SHA256: sum, NrFiles: len(content.Files), Bytes: content.Bytes()}, err
}

// large is a file for which one more look at the remote is cheap.
const large = 4 << 20

// present says whether a file's content is at the remote already: of its name and
// size, and not marked as damaged. A large one that was not there is looked for once
// more, since another upload may have sent it meanwhile.
func (m *mover) present(ctx context.Context, f piece.File) (bool, error) {
	if m.suspects.has(f.SHA256) {
		return false, nil
	}
	if size, known := m.survey.size(blobName(f.SHA256)); known && (size == f.Size || f.Size < large) {
		return size == f.Size, nil
	}
	o, err := m.remote.Stat(ctx, blobName(f.SHA256))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil && o.Size == f.Size, err
}

// ensure sends a file's content, unless it is there. Other servers may be sending the
// same content just now; what some remotes show while an object is replaced is
// nothing at all, so it is looked for again.
func (m *mover) ensure(ctx context.Context, id string, f piece.File) error {
	lock, _ := m.sending.LoadOrStore(f.SHA256, &sync.Mutex{})
	lock.(*sync.Mutex).Lock()
	defer lock.(*sync.Mutex).Unlock()
	there, err := m.present(ctx, f)
	if err == nil && !there {
		err = patient{timing: m.timing}.again(ctx, func() error { return m.put(ctx, id, f) })
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	return nil
}

// send sends a file's content, unless it is there.
func (m *mover) send(id string) func(context.Context, piece.File) error {
	return func(ctx context.Context, f piece.File) error {
		if err := m.ensure(ctx, id, f); err != nil {
			return err
		}
		m.progress.done(f.Size)
		return nil
	}
}

// insist looks again whether content that was found is there, now that a manifest says
// so, and whether somebody has marked it meanwhile.
func (m *mover) insist(id string) func(context.Context, piece.File) error {
	return func(ctx context.Context, f piece.File) error { return m.ensure(ctx, id, f) }
}

// put sends a file. What is read is hashed: a piece that is damaged here is not sent,
// and is named. That it has arrived is looked at by Put, and again by insist.
func (m *mover) put(ctx context.Context, id string, f piece.File) error {
	err := m.patientless().Put(ctx, blobName(f.SHA256), f.Size, func() (io.ReadCloser, error) {
		file, err := m.pieces.Published.OpenFile(id, f.Name)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errLocal, err)
		}
		checked := &checkedFile{ReadCloser: file, sum: sha256.New(), want: f}
		return readCloser{&limited{in: checked, ctx: ctx, limit: m.limit, count: m.progress.moved}, file}, nil
	})
	if err != nil {
		return err
	}
	if m.suspects.has(f.SHA256) {
		err = m.mended(ctx, f)
	}
	if err == nil {
		m.survey.sent(blobName(f.SHA256), f.Size)
		m.sent.Store(f.SHA256, true)
	}
	return err
}

// patientless is the remote for calls that are tried again together with others.
func (m *mover) patientless() Remote {
	if p, ok := m.remote.(patient); ok {
		return p.Remote
	}
	return m.remote
}

type readCloser struct {
	io.Reader
	io.Closer
}

// checkedFile reads a local file and fails at its end if it is not what the piece's
// manifest says.
type checkedFile struct {
	io.ReadCloser
	sum  hash.Hash
	n    int64
	want piece.File
}

func (c *checkedFile) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.sum.Write(p[:n])
	c.n += int64(n)
	if c.n > c.want.Size || errors.Is(err, io.EOF) || c.n == c.want.Size && n > 0 {
		if c.n != c.want.Size || hex.EncodeToString(c.sum.Sum(nil)) != c.want.SHA256 {
			return 0, fmt.Errorf("%w: %w: the file of the local piece has changed", errLocal, backup.ErrContent)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", errLocal, err)
	}
	return n, err
}

// completeBackup writes the backup's manifest if all of its pieces are there, own as it
// was found when it was written. The
// last server to finish finds them all; if two finish together, both write the same.
// A backup that is deleted at the same moment stays deleted: see Delete.
func (m *mover) completeBackup(ctx context.Context, own dbclient.Piece, ownMark pieceMark, servers []string) error {
	id := own.ID
	b := backupManifest{Format: formatNumber, ID: id, Pieces: map[string]pieceMark{}}
	for _, server := range servers {
		piece, mark := own, ownMark
		if server != own.ServerID {
			there, itsMark, err := readPiece(ctx, m.remote, id, server, "")
			if errors.Is(err, ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			piece, mark = there.Piece, itsMark
		}
		if piece.Nonce != own.Nonce {
			return apierror.New(apierror.BackupConflict, "another backup %s is at the remote", id)
		}
		b.Pieces[server], b.DateTime, b.Version = mark, piece.DateTime, piece.Version
		b.PotentiallyInconsistent = b.PotentiallyInconsistent || piece.PotentiallyInconsistent
	}
	if _, err := putChecked(ctx, m.remote, backupName(id), b); err != nil {
		return err
	}
	for _, server := range servers {
		if _, err := m.remote.Stat(ctx, pieceName(id, server)); err != nil {
			if errors.Is(err, ErrNotFound) {
				err = apierror.New(apierror.BackupConflict, "backup %s was deleted at the remote meanwhile", id)
			}
			return errors.Join(err, m.remote.Remove(ctx, backupName(id)))
		}
	}
	return nil
}
