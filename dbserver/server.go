package dbserver

import (
	"context"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"

	"stasis/internal/network"
	"stasis/internal/step"
)

// Config says how to run one DB server.
type Config struct {
	Dir       string          // data directory; created if missing
	FS        vfs.FS          // vfs.Default if nil
	Listen    string          // host:port; port 0 lets the network choose
	Advertise string          // host:port that others reach; what was listened on if empty
	Agency    []string        // http://host:port of the agents
	Network   network.Network // network.TCP() if nil
	Logger    hclog.Logger
	Steps     step.Sink
	Timing    Timing
}

// Timing holds the server's own intervals; a zero field gets its default.
type Timing struct {
	Heartbeat time.Duration // between two heartbeats; 1 s
	Retry     time.Duration // after something failed that is tried again; 1 s
	Shutdown  time.Duration // bound on what Close waits for requests in flight; 10 s
}

// Server is one running DB server.
type Server struct{}

var errNotYet = errors.New("not yet")

// Start opens the data directory, joins the cluster and serves; it returns when
// data is served. Ending ctx early ends the start; afterwards it means nothing.
func Start(ctx context.Context, c Config) (*Server, error) { return nil, errNotYet }

// ID is the server's id, "PRMR-…"; it lives in the data directory.
func (s *Server) ID() string { return "" }

// Addr is the advertised host:port.
func (s *Server) Addr() string { return "" }

// URL is "http://" and Addr.
func (s *Server) URL() string { return "" }

// Err delivers at most one error: that the server can no longer work. Close it then.
func (s *Server) Err() <-chan error { return nil }

// Close stops: new requests are refused, those in flight are finished or
// cancelled, everything is synced, no goroutine is left. Bounded by ctx.
func (s *Server) Close(ctx context.Context) error { return nil }
