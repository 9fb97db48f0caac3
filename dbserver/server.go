package dbserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/dbserver/api"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/gate"
	"stasis/dbserver/hosting"
	"stasis/dbserver/lease"
	"stasis/dbserver/pieces"
	"stasis/dbserver/store"
	"stasis/dbserver/transaction"
	"stasis/dbserver/transfer"
	"stasis/internal/apierror"
	"stasis/internal/datadir"
	"stasis/internal/network"
	"stasis/internal/wait"
)

// What a request is told while the data is shut. Shared: never changed.
var (
	errStarting error = apierror.New(apierror.StartingUp, "server is starting")
	errStopping error = apierror.New(apierror.ShuttingDown, "server is shutting down")
)

// Server is one running DB server. It starts, connects and stops the parts that do the work.
// Its methods may be called from any goroutine.
type Server struct {
	config  Config
	log     hclog.Logger
	dir     *datadir.Dir
	id      string
	addr    string // that others reach
	cluster cluster
	known   registration

	lease   *lease.Lease
	disk    *disk
	gate    *gate.Gate
	ledger  *transaction.Ledger
	access  *store.Access
	reader  *pieces.Reader
	data    data
	handler *api.Handler
	http    *network.Server

	tasks   *tasks
	closing wait.Once
}

// cluster has the connections to the other servers.
type cluster struct {
	web    *http.Client // to the agency and to other DB servers
	agency *agencyclient.Client
	cache  *agencyclient.Cache
	peers  *dbclient.Client // other DB servers
}

// registration is what the agency knows of this process.
type registration struct {
	reboot atomic.Uint64 // 0 before the server is registered
	epoch  atomic.Uint64 // of the open data
	done   chan struct{} // closed when the server is registered
}

// data are the parts that work on the data directory. They are there once the server has found
// an agency: before that it touches nothing.
type data struct {
	pieces    *pieces.Manager
	transfers *transfer.Manager
	host      *hosting.Host
}

// mayLead is nil while this server may serve as a leader: it has its lease, and a disk that
// answers.
func (s *Server) mayLead() error {
	if hang := s.disk.Hang(); hang != nil {
		return apierror.New(apierror.NoLeader, "the disk of this server hangs %s: it leads nothing meanwhile", hang)
	}
	return s.lease.Check()
}

// state is what heartbeats say.
func (s *Server) state() string {
	switch err := s.access.State(); {
	case err == nil:
		return "SERVING"
	case errors.Is(err, apierror.ShuttingDown):
		return "SHUTDOWN"
	}
	return "STARTUP"
}

func (s *Server) status() api.Status {
	return api.Status{Addr: s.addr, State: s.state(), Hang: s.disk.Hang(), RebootID: s.known.reboot.Load(), Epoch: s.known.epoch.Load(), Transactions: s.ledger.Status()}
}

// ID is the server's id, "PRMR-…"; it lives in the data directory.
func (s *Server) ID() string { return s.id }

// Addr is the advertised host:port.
func (s *Server) Addr() string { return s.addr }

// URL is "http://" and Addr.
func (s *Server) URL() string { return "http://" + s.addr }

// Err delivers at most one error: that the server can no longer work. Close it then.
func (s *Server) Err() <-chan error { return s.tasks.failed }

// Close stops the server: new requests are refused, those in flight are finished or cancelled,
// everything is synced, and no goroutine is left. Requests get until ctx ends, and at most
// Timing.Shutdown. A second call returns the same error.
func (s *Server) Close(ctx context.Context) error {
	return s.closing.Do(context.WithoutCancel(ctx), func() error { return s.close(ctx) })
}

func (s *Server) close(ctx context.Context) error {
	s.log.Info("stopping", "id", s.id)
	polite, cancel := context.WithTimeout(ctx, 2*s.config.Timing.Shutdown)
	defer cancel()
	var errs []error
	if t := s.data.transfers; t != nil {
		errs = append(errs, s.disk.unlessHangs("transfers", s.config.Timing.Shutdown, t.Close))
	}
	errs = append(errs, s.access.ShutForGood(polite, errStopping))
	if s.http != nil {
		errs = append(errs, s.http.Shutdown(ctx))
	}
	s.tasks.stop()
	tasks := s.disk.unlessHangs("tasks", s.config.Timing.Shutdown, s.tasks.group.Wait)
	errs = append(errs, tasks)
	// An engine that is closed under a request or a task is a crash. One that is left open is
	// not synced, which costs no more than a crash.
	if tasks == nil && s.access.Vacant() && s.data.host != nil {
		errs = append(errs, s.data.host.Unload(errStopping))
	}
	s.disk.watch.Close()
	errs = append(errs, s.dir.Close())
	s.cluster.web.CloseIdleConnections()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop DB server %s: %w", s.id, err)
	}
	s.log.Info("stopped", "id", s.id)
	return nil
}
