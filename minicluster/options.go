package minicluster

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"

	"stasis/dbserver/transfer/storage"
	"stasis/event"
	"stasis/fault"
	"stasis/internal/network"
)

// Mode is how the servers of a cluster are run.
type Mode int

// The modes.
const (
	InProcess Mode = iota // all in this process
	Processes             // each in a child process
)

// Options describe the cluster to start. Only Agents has to be set, and Dir unless everything is in memory.
type Options struct {
	Dir          string // the cluster's directory; "" only if Seams keep everything in memory
	Mode         Mode
	Agents       int
	DBServers    int // 0 together with Coordinators: an agency alone
	Coordinators int
	BasePort     int          // coordinators from here, DB servers from +100, agents from +200; 0: the ports of the last start, or free ones
	Logger       hclog.Logger // nil: no log
	Timing       Timing
	Pages        Pages

	// Degraded lets a cluster that exists already start without those of its servers that
	// are broken. A majority of the agents is enough, and one DB server and one coordinator if it has
	// any. Ready then waits for those that run; Nodes names the others with the reason. A new
	// cluster needs all its servers: an agency is founded by all its agents.
	Degraded bool
	// Revive starts a server again that ended without being told to: after one second, and each time it
	// ends soon again after twice as long, up to a minute. A server that was stopped or killed through this
	// Cluster, or that ended with status 0, stays down.
	Revive bool

	// Lab makes all that a cluster stands on breakable while it runs: see [Cluster.Lab]. The servers take orders
	// from their user over a socket in their data directories (mode Processes). It is for fault injection.
	Lab bool

	Seams   Seams   // of mode InProcess
	Program Program // of mode Processes
}

// Timing changes how fast faults are noticed, in both modes. Zero fields are the servers' defaults.
type Timing struct {
	Grace       time.Duration // age of a heartbeat from which the supervision takes a server for dead; 10 s
	LeaderGrace time.Duration // how long a new leader of the agency judges no server that it has not heard; Grace
	DiskTimeout time.Duration // how long the disk of an agent may hang before the agent ends; 2 min
}

// Pages are the web pages that may use the servers, in both modes. By default none may.
type Pages struct {
	TrustedOrigins []string // "https://app.example:8443"; "*" trusts every page
	Hosts          []string // further names under which the servers are reached, without ports
}

// Seams replace, in mode [InProcess], what is real: the network, the disks and the clocks. Zero
// fields replace nothing. With Network and Disks set, a cluster runs in a bubble of
// testing/synctest, in virtual time.
type Seams struct {
	// Network gives the network as one host uses it: a *fault.Network's method Host. Hosts are named as the
	// servers are; Ready asks from the host "minicluster". nil: TCP.
	Network func(host string) fault.Host
	// Disks gives the file system of a server, each time it starts: a *fault.Disks' method FS. Agents keep all on it, too: Raft's
	// log, term and vote, snapshots, identity and notes. A server whose disk hangs cannot be stopped or killed before the fault
	// ends. nil: the real disk.
	Disks func(server string) vfs.FS
	// Clock gives the clock by which a DB server measures its lease. nil: the system's, or with a Network the
	// standard library's, which is virtual in a bubble.
	Clock func(server string) Clock
	// Wall gives the wall clock of a server, each time it starts: a *fault.WallClocks' method Now. What is written down or
	// told as a time comes from it, and no lease, no duration and no order. nil: the system's.
	Wall func(server string) func() time.Time
	// Steps receives every event of every server. A *fault.Triggers' method Sink breaks something at one of them.
	Steps event.Sink
	// Remotes is the DB servers' remote storage, for uploads and downloads. nil: none.
	Remotes storage.Remotes
}

// Clock is what a DB server measures its lease by, and nothing else. A nil function is the standard
// library's clock.
type Clock struct {
	Elapsed func() time.Duration // since a moment that stays the same
	Wall    func() time.Time     // the time of day; only whether it goes on as Elapsed does matters
}

// Program is what the servers are in mode Processes. Flags are those of its commands agent, dbserver and
// coordinator.
type Program struct {
	Path          string   // of the stasis binary
	Flags         []string // of every server: --log-max-size=…
	AgentFlags    []string // --tree-quota=…
	DBServerFlags []string // --backup.local-root=…
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
	case o.Dir == "" && (o.Seams.Disks == nil || o.Mode != InProcess):
		return errors.New("a cluster needs a directory, unless it is all in memory")
	case o.Mode == Processes && o.Program.Path == "":
		return errors.New("mode Processes needs the program to start")
	case o.Mode == Processes && o.Seams.set():
		return errors.New("Seams replace what is real in mode InProcess only: processes have the system's network, disks and clocks")
	case o.Lab && (o.Seams.Network != nil || o.Seams.Disks != nil || o.Seams.Wall != nil):
		return errors.New("Lab excludes a network, disks and wall clocks in Seams: it would not know what they are. Break those that you have given instead")
	case o.Lab && o.Dir == "":
		return errors.New("Lab needs a directory: its sockets are there")
	case o.Mode == InProcess && o.Program.set():
		return errors.New("Program is of mode Processes only: in process no program is started")
	}
	_, err := o.Pages.browsers()
	return err
}

// set reports whether a field is set.
func (s Seams) set() bool {
	return s.Network != nil || s.Disks != nil || s.Clock != nil || s.Wall != nil || s.Steps != nil || s.Remotes != nil
}

// set reports whether a field is set.
func (p Program) set() bool {
	return p.Path != "" || len(p.Flags)+len(p.AgentFlags)+len(p.DBServerFlags) > 0
}

func (p Pages) browsers() (network.Browsers, error) {
	return network.NewBrowsers(p.TrustedOrigins, p.Hosts)
}

// perRole is how many servers of one role there may be: so many ports each role has.
const perRole = 100
