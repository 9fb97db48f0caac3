package create

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"stasis/coordinator/backup/lock"
	"stasis/coordinator/backup/operation"
	"stasis/coordinator/backup/piece"
	"stasis/coordinator/backup/signing"
	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
	"stasis/event"
)

// Servers sends requests to one DB server; *dbserver/client.Client is one. No method repeats a
// request. GateLock holds the server's gate while the request lasts, and calls granted once the
// gate is held.
type Servers interface {
	piece.Lister
	GateLock(ctx context.Context, t dbclient.Target, r dbclient.GateLockRequest, granted func(dbclient.GateLockResponse)) error
	AbortOpen(ctx context.Context, t dbclient.Target, r dbclient.TxnAbortRequest) (dbclient.TxnAbortResponse, error)
	GateRelease(ctx context.Context, t dbclient.Target, r dbclient.GateReleaseRequest) (dbclient.GateReleaseResponse, error)
	Prepare(ctx context.Context, t dbclient.Target, r dbclient.PieceRequest) error
	Cut(ctx context.Context, t dbclient.Target, r dbclient.CutRequest) (dbclient.CutResponse, error)
	Link(ctx context.Context, t dbclient.Target, r dbclient.LinkRequest) (dbclient.Piece, error)
	Seal(ctx context.Context, t dbclient.Target, r dbclient.SealRequest) error
	Publish(ctx context.Context, t dbclient.Target, r dbclient.PieceRequest) error
	Drop(ctx context.Context, t dbclient.Target, r dbclient.PieceRequest) error
}

// Timeouts bound what a create waits for.
type Timeouts struct {
	Answer time.Duration // a DB server's answer to a short request, beyond what the request itself waits
	Stall  time.Duration // a DB server that makes no progress for so long fails the create
	Cut    time.Duration // fixing the cut while the gates are held
	Pause  time.Duration // between two attempts to hold all gates
	Undo   time.Duration // undoing everything
}

// Creator makes backups. Any goroutine may use it.
type Creator struct {
	Life        *operation.Life
	Locks       *lock.Locker
	Clusters    *topology.Reader
	Servers     Servers
	Signer      *signing.Signer
	Coordinator string // server id
	Steps       event.Sink
	Timeouts    Timeouts
	Log         hclog.Logger
	Tally       *Tally // nil: nothing is counted
}
