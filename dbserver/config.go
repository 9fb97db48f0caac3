package dbserver

import (
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"

	"stasis/dbserver/engine"
	"stasis/dbserver/lease"
	"stasis/dbserver/replica"
	"stasis/dbserver/transaction"
	"stasis/dbserver/transfer"
	"stasis/dbserver/transfer/storage"
	"stasis/event"
	"stasis/internal/network"
	"stasis/internal/wall"
)

// Clock measures the serving lease; see [lease.Clock].
type Clock = lease.Clock

// Config says how to run one DB server.
type Config struct {
	Dir          string          // data directory; created if missing
	FS           vfs.FS          // vfs.Default if nil
	Name         string          // by which commands find it; "": none
	PID          int             // of its process, told with Dir to who looks for it; 0: neither
	Listen       string          // host:port; port 0 lets the network choose
	Advertise    string          // host:port that others reach; the listener's address if empty
	Agency       []string        // http://host:port of the agents
	Network      network.Network // network.TCP() if nil
	Browsers     network.Browsers
	HTTP         network.Limits // of what requests hold, all together
	MaxBodyBytes int64          // of one request with documents; 256 MiB
	Transactions transaction.Limits
	Engine       engine.Options // cache and memtable sizes; FS and Logger are filled in
	Logger       hclog.Logger
	Steps        event.Sink
	Timing       Timing
	Clock        Clock
	Wall         wall.Clock      // what is told and kept as a time, revisions among it; nil is the system's
	Remotes      storage.Remotes // of remote storage; nil: uploads and downloads are refused
}

// Timing holds the server's own intervals; a zero field gets its default.
type Timing struct {
	Heartbeat time.Duration // between two heartbeats; 1 s
	Retry     time.Duration // after an error, before the next try; 1 s
	Look      time.Duration // longest between two looks at what may be left over; 10 s
	Agency    time.Duration // bound on one question to the agency; 5 s
	Shutdown  time.Duration // bound on what Close waits for requests in flight; 5 s
	DiskHang  time.Duration // age of an unfinished operation from which the disk hangs; three tenths of the grace period
	Probe     time.Duration // between two probes of a disk on which nothing is synced; 1 s
	Unsynced  time.Duration // age of the oldest write not on disk from which new ones are refused; 1 s
	Transfer  transfer.Timing
	Replica   replica.Timing

	Transaction transaction.Timing
}

func (c Config) withDefaults() Config {
	if c.FS == nil {
		c.FS = vfs.Default
	}
	if c.Network == nil {
		c.Network = network.TCP()
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	c.HTTP = c.HTTP.WithDefaults()
	orElse := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	orElse(&c.Timing.Heartbeat, time.Second)
	orElse(&c.Timing.Retry, time.Second)
	orElse(&c.Timing.Look, 10*time.Second)
	orElse(&c.Timing.Agency, 5*time.Second)
	orElse(&c.Timing.Shutdown, 5*time.Second)
	orElse(&c.Timing.Probe, time.Second)
	orElse(&c.Timing.Unsynced, engine.DefaultSyncBound)
	c.Timing.Replica = c.Timing.Replica.WithDefaults()
	return c
}
