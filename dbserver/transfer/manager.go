package transfer

import (
	"context"
	"errors"
	"sync"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/backup"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer/repository"
	"stasis/dbserver/transfer/storage"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/backupname"
	"stasis/internal/wall"
)

// Config says whose jobs these are and what they work with.
type Config struct {
	Server   string        // this DB server's id
	RebootID func() uint64 // since when it runs
	Pieces   *backup.Store
	Remotes  storage.Remotes   // nil: this program has no remotes
	Own      storage.Addresses // which no remote may have; nil: not known
	Agency   Agency
	Watch    Watch
	Steps    event.Sink
	Logger   hclog.Logger
	Timing   Timing
	Wall     wall.Clock
}

// Manager runs the jobs of one DB server. Its methods may be called from any goroutine.
type Manager struct {
	config Config

	ctx   context.Context // of the jobs
	stop  context.CancelCauseFunc
	work  sync.WaitGroup
	calls storage.Calls // of remotes; some may outlive their job

	mu     sync.Mutex
	closed bool
	jobs   map[string]bool // that run

	arrivals arrivals
}

// NewManager makes a manager. It does nothing until a method is called.
func NewManager(c Config) *Manager {
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	c.Timing = c.Timing.withDefaults()
	m := &Manager{config: c, jobs: map[string]bool{}}
	m.ctx, m.stop = context.WithCancelCause(context.Background())
	return m
}

// Close ends the jobs and waits for them. It waits for a remote that does not answer at
// most for two seconds. What the jobs were doing stays unfinished in the agency: the
// coordinator gives it to this server again when it is back.
func (m *Manager) Close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.stop(errClosing)
	m.work.Wait()
	if left := m.calls.Wait(); left > 0 {
		m.config.Logger.Warn("left a remote that does not answer", "calls", left)
	}
}

// Start accepts a job, which then runs by itself. It does nothing when the job runs or is
// over. The job must be in the agency.
func (m *Manager) Start(ctx context.Context, r dbclient.TransferRequest) error {
	if err := m.check(r); err != nil {
		return err
	}
	m.mu.Lock()
	if m.closed || m.jobs[r.Job] {
		defer m.mu.Unlock()
		if m.closed {
			return apierror.New(apierror.ShuttingDown, "%w", errClosing)
		}
		return nil
	}
	m.jobs[r.Job] = true
	m.work.Add(1)
	m.mu.Unlock()
	j, rebootID := m.job(r), m.config.RebootID()
	// The coordinator may die meanwhile: with this process the part would never end if it were taken by halves.
	taking, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeLimit)
	defer cancel()
	defer context.AfterFunc(m.ctx, cancel)() // with this process the question ends, too
	accepted, err := j.record.accept(taking, rebootID, m.claim(ctx, r))
	unknown := errors.Is(err, agencyclient.ErrUnknown)
	if !accepted && !unknown {
		m.over(r)
		return err
	}
	go func() {
		defer m.over(r)
		if unknown && !j.record.insistOnTaking(m.ctx, rebootID, m.claim(m.ctx, r)) {
			return
		}
		j.run(m.ctx)
	}()
	return err
}

// claim keeps other downloads of the same backup, and its removal, away from a job until it is over.
func (m *Manager) claim(ctx context.Context, r dbclient.TransferRequest) func() error {
	return func() error {
		if r.Kind != keys.TransferDownload {
			return nil
		}
		return m.arrivals.begin(ctx, r.BackupID, r.Job)
	}
}

func (m *Manager) job(r dbclient.TransferRequest) *job {
	c := m.config
	log := c.Logger.With("job", r.Job, "backup", r.BackupID)
	return &job{
		record: &record{agency: c.Agency, server: c.Server, request: r, retry: c.Timing.Retry, steps: c.Steps, log: log, wall: c.Wall},
		watch:  c.Watch, pieces: c.Pieces, timing: c.Timing, progress: &progress{wall: c.Wall},
		open: func(ctx context.Context) (*repository.Repository, error) { return m.open(ctx, r.Remote, r.Config) },
	}
}

func (m *Manager) over(r dbclient.TransferRequest) {
	m.mu.Lock()
	delete(m.jobs, r.Job)
	m.mu.Unlock()
	m.arrivals.end(r.BackupID, r.Job)
	m.work.Done()
}

// Forget removes what a download that has ended left of a backup. It does nothing while a
// download of that backup runs.
func (m *Manager) Forget(ctx context.Context, id string) error {
	return m.arrivals.unlessDownloading(ctx, id, func() error { return m.config.Pieces.Incoming.Discard(ctx, id) })
}

func (m *Manager) check(r dbclient.TransferRequest) error {
	switch {
	case m.config.Remotes == nil:
		return errNoRemotes
	case r.Kind != keys.TransferUpload && r.Kind != keys.TransferDownload:
		return apierror.New(apierror.BadParameter, "%q is no kind of transfer", r.Kind)
	case r.Job == "":
		return apierror.New(apierror.BadParameter, "a transfer needs the id of its job")
	case r.Options.Transfers < 0 || r.Options.Transfers > dbclient.MostTransfers || r.Options.BytesPerSecond < 0:
		return apierror.New(apierror.BadParameter, "want transfers from 0 to %d, and bytes per second that are not negative", dbclient.MostTransfers)
	}
	if err := backupname.CheckID(r.BackupID); err != nil {
		return err
	}
	return m.config.Remotes.Check(r.Remote, r.Config)
}

var errNoRemotes error = apierror.New(apierror.NotImplemented, "this program has no access to remote storage")

// open opens the repository at the remote of a request. Its calls are abandoned when ctx
// ends.
func (m *Manager) open(ctx context.Context, r dbclient.Remote, config dbclient.RemoteConfig) (*repository.Repository, error) {
	remote, err := storage.Open(ctx, &m.calls, func() (storage.Remote, error) { return m.config.Remotes.Open(ctx, r, config, m.config.Own) })
	if err != nil {
		return nil, err
	}
	at := repository.New(remote, m.config.Timing.ofRemote(), m.config.Timing.Lease)
	at.Wall = m.config.Wall
	return at, nil
}
