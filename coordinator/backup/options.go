package backup

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/coordinator/backup/create"
	"stasis/coordinator/backup/remove"
	"stasis/coordinator/backup/restore"
	"stasis/coordinator/backup/transfer"
	"stasis/coordinator/backup/verify"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/internal/signingkey"
	"stasis/internal/version"
	"stasis/internal/wall"
)

// Agency is the part of the agency's client that the commands use; *agency/client.Client is
// one. Write returns the index of the applied transaction, or an error that matches one of that
// package's sentinels. Read is linearizable. TransientRead reads what the leader has in memory alone.
type Agency interface {
	Write(ctx context.Context, tx agencyclient.Tx) (uint64, error)
	Read(ctx context.Context, paths ...string) (*agencyclient.Node, error)
	TransientRead(ctx context.Context, paths ...string) (*agencyclient.Node, error)
	Config(ctx context.Context) (agencyclient.Config, error)
}

// Cache is the watch cache; *agency/client.Cache is one.
type Cache interface {
	Snapshot() agencyclient.Snapshot
	Sync(ctx context.Context) (agencyclient.Snapshot, error)
	Wait(ctx context.Context, ok func(agencyclient.Snapshot) bool) (agencyclient.Snapshot, error)
}

// Servers sends the requests of all commands to one DB server; *dbserver/client.Client is one.
// No method repeats a request.
type Servers interface {
	create.Servers
	restore.Servers
	remove.Servers
	verify.Servers
}

var (
	_ Agency  = (*agencyclient.Client)(nil)
	_ Cache   = (*agencyclient.Cache)(nil)
	_ Servers = (*dbclient.Client)(nil)
)

// Options are what a Service works with. Agency, Cache, Servers and ID are required.
type Options struct {
	Agency   Agency
	Cache    Cache
	Servers  Servers
	Movers   transfer.Movers // nil: no uploads and downloads
	Peers    restore.Peers   // the other coordinators; nil: a restore does not wait for them
	ID       string          // this coordinator's server id
	RebootID func() uint64   // this coordinator's reboot id; nil means 0
	Version  string          // of the API served, for the version rule of a restore; default version.API
	Steps    event.Sink
	Logger   hclog.Logger
	Timeouts Timeouts
	Wall     wall.Clock // nil is the system's

	SigningKey *signingkey.Key // with which certificates are signed; nil: none
}

func (d Options) withDefaults() Options {
	if d.RebootID == nil {
		d.RebootID = func() uint64 { return 0 }
	}
	if d.Version == "" {
		d.Version = version.API
	}
	if d.Logger == nil {
		d.Logger = hclog.NewNullLogger()
	}
	d.Timeouts = d.Timeouts.withDefaults()
	return d
}

// Timeouts bound what the commands wait for. Zero fields take their default.
type Timeouts struct {
	Lease      time.Duration // of the agency lock; renewed every third of it; default 15 s
	Agency     time.Duration // one call to the agency, leader changes included; default 10 s
	Answer     time.Duration // a DB server's answer to a short request, beyond what the request itself waits; default 3 s
	Stall      time.Duration // a DB server that makes no progress for so long, or does not answer, fails the phase; default 10 s
	Remote     time.Duration // a question about a remote; default 30 min
	Cut        time.Duration // fixing the cut while the gates are held; default 1 s
	Pause      time.Duration // between two attempts to hold all gates; default 50 ms
	Undo       time.Duration // undoing everything; default 20 s
	List       time.Duration // a DB server's answer to list; default 2 s
	Converge   time.Duration // from a restore's commit until all servers serve it; default 15 min
	Succession time.Duration // then, until others lead the shards of servers that have FAILED; default 1 min
	Peers      time.Duration // waiting for the other coordinators after a restore; default 10 s
	Gone       time.Duration // a transfer waits so long for a DB server that has FAILED; default 10 min
}

func (t Timeouts) withDefaults() Timeouts {
	orDefault(&t.Lease, 15*time.Second)
	orDefault(&t.Agency, 10*time.Second)
	orDefault(&t.Answer, 3*time.Second)
	orDefault(&t.Stall, 10*time.Second)
	orDefault(&t.Remote, 30*time.Minute)
	orDefault(&t.Cut, time.Second)
	orDefault(&t.Pause, 50*time.Millisecond)
	orDefault(&t.Undo, 20*time.Second)
	orDefault(&t.List, 2*time.Second)
	orDefault(&t.Converge, 15*time.Minute)
	orDefault(&t.Succession, time.Minute)
	orDefault(&t.Peers, 10*time.Second)
	orDefault(&t.Gone, 10*time.Minute)
	return t
}

func orDefault(d *time.Duration, def time.Duration) {
	if *d <= 0 {
		*d = def
	}
}
