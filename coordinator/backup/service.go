package backup

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	agency "stasis/agency/client"
	dbserver "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/step"
	"stasis/internal/version"
)

// Agency is what the protocols ask of the agency; *agency/client.Client is one.
// Write returns the index of the applied transaction, or an error matching one of
// that package's sentinels; Read is linearizable.
type Agency interface {
	Write(ctx context.Context, tx agency.Tx) (uint64, error)
	Read(ctx context.Context, paths ...string) (*agency.Node, error)
	Config(ctx context.Context) (agency.Config, error)
}

// Cache is the watch cache; *agency/client.Cache is one.
type Cache interface {
	Snapshot() agency.Snapshot
	Sync(ctx context.Context) (agency.Snapshot, error)
	Wait(ctx context.Context, ok func(agency.Snapshot) bool) (agency.Snapshot, error)
}

// Servers asks one DB server for its part; *dbserver/client.Client is one. No
// method repeats a request.
type Servers interface {
	GateLock(ctx context.Context, t dbserver.Target, r dbserver.GateLockRequest, granted func(dbserver.GateLockResponse)) error
	GateRelease(ctx context.Context, t dbserver.Target, r dbserver.GateReleaseRequest) (dbserver.GateReleaseResponse, error)
	Prepare(ctx context.Context, t dbserver.Target, r dbserver.PieceRequest) error
	Cut(ctx context.Context, t dbserver.Target, r dbserver.CutRequest) (dbserver.CutResponse, error)
	Link(ctx context.Context, t dbserver.Target, r dbserver.LinkRequest) (dbserver.Piece, error)
	Seal(ctx context.Context, t dbserver.Target, r dbserver.SealRequest) error
	Publish(ctx context.Context, t dbserver.Target, r dbserver.PieceRequest) error
	Drop(ctx context.Context, t dbserver.Target, r dbserver.PieceRequest) error
	List(ctx context.Context, t dbserver.Target, r dbserver.ListRequest) (dbserver.ListResponse, error)
	Delete(ctx context.Context, t dbserver.Target, r dbserver.PieceRequest) error
	Verify(ctx context.Context, t dbserver.Target, r dbserver.PieceRequest) (dbserver.VerifyResponse, error)
	Stage(ctx context.Context, t dbserver.Target, r dbserver.StageRequest) error
	Unstage(ctx context.Context, t dbserver.Target, r dbserver.UnstageRequest) error
}

var (
	_ Agency  = (*agency.Client)(nil)
	_ Cache   = (*agency.Cache)(nil)
	_ Servers = (*dbserver.Client)(nil)
)

// Deps is what a Service works with. Agency, Cache, Servers and ID are required.
type Deps struct {
	Agency   Agency
	Cache    Cache
	Servers  Servers
	Movers   Movers        // nil: no uploads and downloads
	Peers    Peers         // the other coordinators; nil: a restore does not wait for them
	ID       string        // this coordinator's server id
	RebootID func() uint64 // this coordinator's reboot id; nil means 0
	Version  string        // of the API served, for the version rule of a restore; default version.API
	Steps    step.Sink
	Logger   hclog.Logger
	Timing   Timing

	// WithoutLocks makes Create take no gate (lock mode "none"). It exists to show
	// that the consistency checkers catch what that breaks; such a backup is
	// marked as potentially inconsistent.
	WithoutLocks bool
}

// Timing bounds the protocols. Zero fields take their default.
type Timing struct {
	Lease    time.Duration // of the agency lock; renewed every third of it; default 15 s
	Agency   time.Duration // one call to the agency, leader changes included; default 10 s
	Answer   time.Duration // a DB server's answer to a short request, beyond what the request itself waits; default 3 s
	Deaf     time.Duration // a DB server that gets nothing done for so long while it works, or is not heard, fails the phase; default 10 s
	Remote   time.Duration // a question about a remote; default 30 min
	Cut      time.Duration // fixing the cut while the gates are held; default 1 s
	Pause    time.Duration // between two attempts to hold all gates; default 50 ms
	Undo     time.Duration // taking everything back; default 20 s
	List     time.Duration // a DB server's answer to list; default 2 s
	Converge time.Duration // from a restore's commit until all servers serve it; default 15 min
	Succeed  time.Duration // then, until others lead the shards of servers that have failed meanwhile; default 1 min
	Others   time.Duration // waiting for the other coordinators after a restore; default 10 s
	Lost     time.Duration // a transfer waits so long for a DB server that is gone; default 10 min
}

func (t Timing) withDefaults() Timing {
	orDefault(&t.Lease, 15*time.Second)
	orDefault(&t.Agency, 10*time.Second)
	orDefault(&t.Answer, 3*time.Second)
	orDefault(&t.Deaf, 10*time.Second)
	orDefault(&t.Remote, 30*time.Minute)
	orDefault(&t.Cut, time.Second)
	orDefault(&t.Pause, 50*time.Millisecond)
	orDefault(&t.Undo, 20*time.Second)
	orDefault(&t.List, 2*time.Second)
	orDefault(&t.Converge, 15*time.Minute)
	orDefault(&t.Succeed, time.Minute)
	orDefault(&t.Others, 10*time.Second)
	orDefault(&t.Lost, 10*time.Minute)
	return t
}

func orDefault(d *time.Duration, def time.Duration) {
	if *d <= 0 {
		*d = def
	}
}

// errStopping is why work ends when Run's context does.
var errStopping = apierror.New(apierror.ShuttingDown, "this coordinator is stopping")

// Service runs the protocols. Its methods may be called from any goroutine, any
// number at once.
type Service struct {
	Deps

	life context.Context // ends when the service stops; every operation's context follows it
	stop context.CancelCauseFunc

	mu       sync.Mutex
	stopped  bool
	working  sync.WaitGroup
	couriers map[string]bool // nonces of the transfers whose configuration is here
}

// New makes a service. It does nothing until asked; Run is its background part.
func New(d Deps) *Service {
	if d.RebootID == nil {
		d.RebootID = func() uint64 { return 0 }
	}
	if d.Version == "" {
		d.Version = version.API
	}
	if d.Logger == nil {
		d.Logger = hclog.NewNullLogger()
	}
	d.Timing = d.Timing.withDefaults()
	s := &Service{Deps: d}
	s.life, s.stop = context.WithCancelCause(context.Background())
	return s
}

// Run finishes restores whose coordinator is gone, and deletes failsafe backups that a
// newer one has replaced, until ctx ends. Then it ends
// the service: operations in progress are cancelled, undone where they are not
// committed, and waited for; later ones are refused.
func (s *Service) Run(ctx context.Context) error {
	var sweeping sync.WaitGroup
	if s.Movers != nil {
		sweeping.Go(func() { s.sweepTransfers(ctx) })
	}
	sweeping.Go(func() { s.retireFailsafes(ctx) })
	s.finishOrphans(ctx)
	sweeping.Wait()
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.stop(errStopping)
	s.working.Wait()
	return context.Cause(ctx)
}

// enter gives an operation its context, which ends with the caller's and with
// the service; leave must be called when the operation is over.
func (s *Service) enter(ctx context.Context) (_ context.Context, leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil, nil, errStopping
	}
	s.working.Add(1)
	ctx, cancel := s.follow(ctx)
	return ctx, func() { cancel(); s.working.Done() }, nil
}

// follow gives a context that ends with ctx and with the service.
func (s *Service) follow(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(s.life, func() { cancel(context.Cause(s.life)) })
	return ctx, func() { unhook(); cancel(context.Canceled) }
}

// afterCommit gives the context for what follows a commit point: the caller may
// leave, the work goes on, at most for d and while the service lives.
func (s *Service) afterCommit(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, unfollow := s.follow(context.WithoutCancel(ctx))
	ctx, cancel := context.WithTimeout(ctx, d)
	return ctx, func() { cancel(); unfollow() }
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// inContext says why ctx ended if it has, and err otherwise: a request that was
// cut off by a lost lease reports the lease, not "context canceled". That a commit
// may have happened is never covered up.
func inContext(ctx context.Context, err error) error {
	if ctx.Err() == nil || errors.Is(err, ErrOutcomeUnknown) {
		return err
	}
	cause := context.Cause(ctx)
	if errors.Is(cause, context.Canceled) {
		return apierror.New(apierror.Cancelled, "cancelled by the client: %w", cause)
	}
	if errors.Is(err, cause) { // and says more
		return err
	}
	return cause
}
