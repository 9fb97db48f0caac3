package transfer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/backup"
	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// Agency is what jobs ask of the agency; *agency/client.Client is one.
type Agency interface {
	Read(ctx context.Context, paths ...string) (*agencyclient.Node, error)
	Write(ctx context.Context, tx agencyclient.Tx) (uint64, error)
}

// Watch follows the agency; *agency/client.Cache is one.
type Watch interface {
	Wait(ctx context.Context, ok func(agencyclient.Snapshot) bool) (agencyclient.Snapshot, error)
}

// Config says whose jobs these are and what they work with.
type Config struct {
	Server   string        // this DB server's id
	RebootID func() uint64 // since when it runs
	Pieces   *backup.Store
	Remotes  Remotes   // nil: this program has no remotes
	Own      Addresses // where no remote is; nil: not known
	Agency   Agency
	Watch    Watch
	Logger   hclog.Logger
	Timing   Timing
}

// Manager runs the jobs of one DB server. Its methods may be called from any
// goroutine.
type Manager struct {
	config Config
	log    hclog.Logger
	timing Timing

	ctx   context.Context // of the jobs
	stop  context.CancelCauseFunc
	work  sync.WaitGroup
	calls calls // of remotes; some may outlive their job

	mu     sync.Mutex
	closed bool
	jobs   map[string]bool // under way

	arrivals arrivals
}

// Why a job ends early.
var (
	errAborted   = errors.New("the transfer was aborted")
	errClosing   = errors.New("this server is stopping")
	errOverruled = errors.New("somebody else has ended this part of the transfer")
)

// NewManager makes a manager; it does nothing until asked.
func NewManager(c Config) *Manager {
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	m := &Manager{config: c, log: c.Logger, timing: c.Timing.withDefaults(), jobs: map[string]bool{}}
	m.ctx, m.stop = context.WithCancelCause(context.Background())
	return m
}

// Close ends the jobs and waits for them; for a remote that does not answer only a
// moment, see prompt. What they were doing stays unfinished in the agency: the
// coordinator gives it to this server again when it is back.
func (m *Manager) Close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.stop(errClosing)
	m.work.Wait()
	if left := m.calls.wait(farewell); left > 0 {
		m.log.Warn("left a remote that does not answer", "calls", left)
	}
}

// Start accepts a job, which then goes on by itself. It does nothing when the job
// is under way or over. The job must be in the agency.
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
	j := &job{Manager: m, request: r, progress: &progress{}, log: m.log.With("job", r.Job, "backup", r.BackupID)}
	accepted, err := j.accept(ctx)
	if err != nil || !accepted {
		m.over(r)
		return err
	}
	go func() {
		defer m.over(r)
		j.run(m.ctx)
	}()
	return nil
}

func (m *Manager) over(r dbclient.TransferRequest) {
	m.mu.Lock()
	delete(m.jobs, r.Job)
	m.mu.Unlock()
	m.arrivals.end(r.BackupID, r.Job)
	m.work.Done()
}

// Forget removes what a download that has ended left of a backup.
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
	if err := piece.CheckID(r.BackupID); err != nil {
		return err
	}
	return m.config.Remotes.Check(r.Remote, r.Config)
}

var errNoRemotes error = apierror.New(apierror.NotImplemented, "this program has no access to remote storage")

// open makes the remote of a request, which tries again what may pass, and is left
// when ctx ends.
func (m *Manager) open(ctx context.Context, r dbclient.Remote, config dbclient.RemoteConfig) (Remote, error) {
	remote, err := openPrompt(ctx, &m.calls, func() (Remote, error) { return m.config.Remotes.Open(ctx, r, config, m.config.Own) })
	if err != nil {
		return nil, err
	}
	return patient{remote, m.timing}, nil
}

// Remote does what keeps order at a remote, and answers when it is done.
func (m *Manager) Remote(ctx context.Context, r dbclient.RemoteRequest) (answer dbclient.RemoteResponse, err error) {
	if m.config.Remotes == nil {
		return answer, errNoRemotes
	}
	if err := m.config.Remotes.Check(r.Remote, r.Config); err != nil || r.Operation == dbclient.RemoteCheck {
		return answer, badRemote(err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(m.ctx, func() { cancel(errClosing) })()
	remote, err := m.open(ctx, r.Remote, r.Config)
	if err != nil {
		return answer, badRemote(err)
	}
	defer func() { err = errors.Join(err, remote.Close()) }()
	k := &keeper{remote: remote, timing: m.timing}
	switch r.Operation {
	case dbclient.RemoteList:
		answer.Backups, err = k.list(ctx, r.ID)
	case dbclient.RemoteVerify:
		var v verified
		v, err = k.verify(ctx, r.ID)
		answer.Backups, answer.Problems, answer.Note = v.backups, v.problems, v.note
	case dbclient.RemotePrune:
		err = k.pruneInto(ctx, &answer)
	case dbclient.RemoteDelete:
		if answer.Removed, err = k.remove(ctx, r.ID); err != nil {
			break
		}
		if perr := k.pruneInto(ctx, &answer); perr != nil {
			answer.Note = fmt.Sprintf("content that only this backup needed is left for a later prune: %v", perr)
		}
	default:
		err = apierror.New(apierror.BadParameter, "unknown remote operation %q (want list, delete, prune, verify or check)", r.Operation)
	}
	return answer, badRemote(err)
}

func (k *keeper) pruneInto(ctx context.Context, answer *dbclient.RemoteResponse) error {
	p, err := k.prune(ctx)
	answer.Removed += p.removed
	answer.Freed, answer.Kept = p.freed, p.kept
	return err
}

// badRemote gives an error of a remote its number, if it has none.
func badRemote(err error) error {
	var e *apierror.Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	return apierror.New(apierror.BadRemote, "%w", err)
}
