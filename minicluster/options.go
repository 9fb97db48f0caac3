package minicluster

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"

	"stasis/agency"
	"stasis/coordinator"
	"stasis/dbserver"
	"stasis/dbserver/transfer/storage"
	"stasis/event"
	"stasis/internal/network"
)

// Mode is how servers are run.
type Mode int

// The modes.
const (
	InProcess Mode = iota // all in this process
	Processes             // each a child process
)

// Options say what cluster to start. Network, FS, Memory, Clock, Steps and Timing
// replace what is real, in mode InProcess only; their zero values replace nothing.
// Of Timing the agency's Grace, Settle and DiskTimeout reach processes, too.
type Options struct {
	Dir          string // the cluster's directory; "" only with Memory and FS: nothing is kept
	Mode         Mode
	Agents       int
	DBServers    int // 0 together with Coordinators: an agency alone
	Coordinators int
	BasePort     int    // coordinators from here, DB servers from +100, agents from +200; 0: as last time, or free ones
	Binary       string // the program that Processes are made of
	Logger       hclog.Logger
	Remotes      storage.Remotes  // of remote storage, InProcess; the Binary has its own
	RemoteFlags  []string         // of the Binary's DB servers, about remote storage: --backup.local-root=…
	AgentFlags   []string         // of the Binary's agents: --tree-quota=…
	Browsers     network.Browsers // the web pages that may use the servers
	LogFlags     []string         // of the Binary, about the size and number of its log files
	HTTP         network.Limits   // of each server; InProcess, by default, one server's part of the process's memory

	Network func(host string) network.Network  // hosts are the nodes' names, and "minicluster" for Ready; nil: TCP
	FS      func(server string) vfs.FS         // not for the agents, whose log is on the real disk or in memory
	Memory  bool                               // the agents keep their logs in memory, also across Restart
	Clock   func(server string) dbserver.Clock // of DB servers' leases; nil: the system's, or with a Network of one's own the standard library's
	Steps   event.Sink
	Timing  Timing

	// Degraded lets a cluster that exists already start without those of its servers that
	// are broken: a majority of the agents is enough, and one DB server and one coordinator, if it has
	// any. Ready waits for those that run, and the others are in Nodes with the reason. A new
	// cluster needs all: an agency is founded by all its agents.
	Degraded bool
	// Revive starts a server again that has ended without being told to: a second later, each time it
	// ends soon again after twice as long, up to a minute. What was stopped or killed through this Cluster,
	// or ended with status 0, stays down.
	Revive bool

	// WithoutLocks makes backups take no gates: they are no single instant, and the
	// checks must notice.
	WithoutLocks bool
}

// Timing is passed on to the servers; zero fields are their defaults.
type Timing struct {
	Agency      agency.Timing
	DBServer    dbserver.Timing
	Coordinator coordinator.Timing
}

func (o Options) check() error {
	switch {
	case o.Agents < 1:
		return errors.New("a cluster needs at least one agent")
	case o.DBServers < 0 || o.Coordinators < 0:
		return errors.New("numbers of servers cannot be negative")
	case (o.DBServers == 0) != (o.Coordinators == 0):
		return errors.New("DB servers and coordinators need each other: at least one of each, or none of both")
	case max(o.Agents, o.DBServers, o.Coordinators) > perRole:
		return fmt.Errorf("at most %d servers of one role", perRole)
	case o.BasePort < 0 || o.BasePort > 65535-3*perRole:
		return fmt.Errorf("base port %d: want 1 to %d, or 0 for free ones", o.BasePort, 65535-3*perRole)
	case o.Dir == "" && (!o.Memory || o.FS == nil || o.Mode != InProcess):
		return errors.New("a cluster needs a directory, unless it is all in memory")
	case o.Mode == Processes && o.Binary == "":
		return errors.New("mode Processes needs the program to start")
	case o.Mode == Processes && (o.Network != nil || o.FS != nil || o.Memory):
		return errors.New("network and disks can be replaced in mode InProcess only")
	}
	return nil
}
