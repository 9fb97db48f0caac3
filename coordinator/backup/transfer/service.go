package transfer

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/coordinator/backup/operation"
	"stasis/coordinator/backup/piece"
	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/wall"
)

// retryPause is the time between two tries to reach a DB server, or the agency.
const retryPause = time.Second

// Agency has the jobs. Read is linearizable.
type Agency interface {
	Write(ctx context.Context, tx agencyclient.Tx) (uint64, error)
	Read(ctx context.Context, paths ...string) (*agencyclient.Node, error)
}

// Cache is the watch cache.
type Cache interface {
	Snapshot() agencyclient.Snapshot
	Sync(ctx context.Context) (agencyclient.Snapshot, error)
	Wait(ctx context.Context, ok func(agencyclient.Snapshot) bool) (agencyclient.Snapshot, error)
}

// Movers sends requests to one DB server; *dbserver/client.Client is one. No method repeats a
// request.
type Movers interface {
	Transfer(ctx context.Context, t dbclient.Target, r dbclient.TransferRequest) error
	Remote(ctx context.Context, t dbclient.Target, r dbclient.RemoteRequest) (dbclient.RemoteResponse, error)
}

// Timeouts bound what a Service waits for.
type Timeouts struct {
	Call   time.Duration // one call to the agency
	Answer time.Duration // a DB server's answer to a short request
	Stall  time.Duration // a DB server's answer to a request that takes longer
	Remote time.Duration // a question about a remote
	Gone   time.Duration // a part waits so long for a DB server that has FAILED
}

// Service runs transfers. Any goroutine may use it.
type Service struct {
	Life        *operation.Life
	Agency      Agency
	Cache       Cache
	Clusters    *topology.Reader
	Lister      piece.Lister
	Movers      Movers // nil: Start and Remote fail with apierror.NotImplemented
	Coordinator string // server id
	RebootID    func() uint64
	Timeouts    Timeouts
	Steps       event.Sink
	Log         hclog.Logger
	Wall        wall.Clock // for what is written down as a time

	mu         sync.Mutex
	dispatched map[string]bool // nonces of the jobs that have a dispatcher here
}

var errNoTransfers = apierror.New(apierror.NotImplemented, "this coordinator has no uploads and downloads")

// register notes whether the job with this nonce has a dispatcher here.
func (s *Service) register(nonce string, yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dispatched == nil {
		s.dispatched = map[string]bool{}
	}
	if yes {
		s.dispatched[nonce] = true
	} else {
		delete(s.dispatched, nonce)
	}
}

func (s *Service) registered(nonce string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dispatched[nonce]
}
