package api

import (
	"context"
	"fmt"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/dbserver/gate"
	"stasis/dbserver/pieces"
	"stasis/dbserver/store"
	"stasis/event"
	"stasis/internal/failpoint"
)

// How long a cut may take.
const (
	maxCut     = 10 * time.Minute
	defaultCut = time.Second
)

// Attempts makes pieces that are not published yet.
type Attempts interface {
	Prepare(ctx context.Context, e *engine.Engine, id, nonce string) error
	Cut(ctx context.Context, e *engine.Engine, id, nonce string) (time.Duration, error)
	Link(context.Context, dbclient.LinkRequest) (dbclient.Piece, error)
	Seal(context.Context, dbclient.SealRequest) error
}

// Published has the published pieces of this server.
type Published interface {
	List(dbclient.ListRequest) ([]dbclient.PieceDetail, error)
	Verify(ctx context.Context, id string) (dbclient.VerifyResponse, error)
}

// Transfers does this server's part of uploads and downloads.
type Transfers interface {
	Start(context.Context, dbclient.TransferRequest) error
	Remote(context.Context, dbclient.RemoteRequest) (dbclient.RemoteResponse, error)
}

// Backups answers the steps of backups, restores, deletes and transfers.
type Backups struct {
	ID        string // of this server
	Attempts  Attempts
	Published Published
	Pieces    *pieces.Manager
	Transfers Transfers
	Gate      *gate.Gate
	Reader    *pieces.Reader
	RebootID  func() uint64 // 0 before the server is registered
	Epoch     func() uint64 // of the open data
	Steps     event.Sink
}

// prepare, and all steps up to the commit, are done for the backup that holds the agency lock
// and for no other.
func (b *Backups) prepare(ctx context.Context, s *store.Store, q dbclient.PieceRequest) (nothing, error) {
	if err := b.Reader.UnderLock(ctx, q.ID, q.Nonce); err != nil {
		return nothing{}, err
	}
	return nothing{}, b.Attempts.Prepare(ctx, s.Engine(), q.ID, q.Nonce)
}

// cut fixes the content of the piece. This nonce must hold the gate before and after: what
// lies between is then one hold without a break, as the release proves.
func (b *Backups) cut(ctx context.Context, s *store.Store, q dbclient.CutRequest) (dbclient.CutResponse, error) {
	deadline := defaultCut
	if q.DeadlineSeconds != 0 {
		var err error
		if deadline, err = duration("deadline", q.DeadlineSeconds, maxCut); err != nil {
			return dbclient.CutResponse{}, err
		}
	}
	if err := b.mayCut(ctx, q); err != nil {
		return dbclient.CutResponse{}, err
	}
	answer := s.AtCut() // before the cut: what is in a log now is in the cut
	limited, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	took, err := b.Attempts.Cut(limited, s.Engine(), q.ID, q.Nonce)
	if err != nil {
		return dbclient.CutResponse{}, err
	}
	// Between the two looks at the gate and after the engine's part: a sink that waits holds the gate,
	// and no lock of the engine or of the piece.
	b.Steps.Emit(ctx, event.Event{Step: event.CutFixed, Operation: event.Create, ID: q.ID, Server: b.ID, Attempt: int(q.Attempt), Elapsed: took})
	if err := b.holds(q); err != nil {
		return dbclient.CutResponse{}, fmt.Errorf("after the cut: %w", err)
	}
	answer.CutSeconds = took.Seconds()
	return answer, nil
}

// mayCut is an error if the nonce does not hold the gate, which needs the agency lock, or if
// a cut without the gate is not under that lock.
func (b *Backups) mayCut(ctx context.Context, q dbclient.CutRequest) error {
	if q.Unprotected {
		return b.Reader.UnderLock(ctx, q.ID, q.Nonce)
	}
	return b.holds(q)
}

func (b *Backups) holds(q dbclient.CutRequest) error {
	if q.Unprotected || failpoint.Off("cut-holds-gate") {
		return nil
	}
	return b.Gate.Check(q.Nonce, q.Attempt)
}

func (b *Backups) link(ctx context.Context, _ *store.Store, q dbclient.LinkRequest) (dbclient.Piece, error) {
	if err := b.Reader.UnderLock(ctx, q.ID, q.Nonce); err != nil {
		return dbclient.Piece{}, err
	}
	return b.Attempts.Link(ctx, q)
}

func (b *Backups) seal(ctx context.Context, q dbclient.SealRequest) (nothing, error) {
	if err := b.Reader.UnderLock(ctx, q.ID, q.Nonce); err != nil {
		return nothing{}, err
	}
	return nothing{}, b.Attempts.Seal(ctx, q)
}

func (b *Backups) publish(ctx context.Context, q dbclient.PieceRequest) (nothing, error) {
	return nothing{}, b.Pieces.Publish(ctx, q)
}

func (b *Backups) drop(ctx context.Context, q dbclient.PieceRequest) (nothing, error) {
	return nothing{}, b.Pieces.Drop(ctx, q)
}

func (b *Backups) delete(ctx context.Context, q dbclient.PieceRequest) (nothing, error) {
	return nothing{}, b.Pieces.Delete(ctx, q)
}

func (b *Backups) list(_ context.Context, q dbclient.ListRequest) (dbclient.ListResponse, error) {
	pieces, err := b.Published.List(q)
	return dbclient.ListResponse{Server: b.ID, Epoch: b.Epoch(), Pieces: pieces}, err
}

func (b *Backups) verify(ctx context.Context, q dbclient.PieceRequest) (dbclient.VerifyResponse, error) {
	return b.Published.Verify(ctx, q.ID)
}

func (b *Backups) stage(ctx context.Context, q dbclient.StageRequest) (nothing, error) {
	return nothing{}, b.Pieces.Stage(ctx, q)
}

func (b *Backups) unstage(ctx context.Context, q dbclient.UnstageRequest) (nothing, error) {
	return nothing{}, b.Pieces.Unstage(ctx, q)
}

// transfer accepts this server's part of an upload or download. It needs the server's reboot
// id, which goes into the agency.
func (b *Backups) transfer(ctx context.Context, q dbclient.TransferRequest) (nothing, error) {
	if b.RebootID() == 0 {
		return nothing{}, errStarting
	}
	return nothing{}, b.Transfers.Start(ctx, q)
}

func (b *Backups) remote(ctx context.Context, q dbclient.RemoteRequest) (dbclient.RemoteResponse, error) {
	return b.Transfers.Remote(ctx, q)
}
