package agency

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"

	"stasis/agency/quota"
	"stasis/agency/store"
	"stasis/agency/tree"
	"stasis/event"
	"stasis/internal/network"
	"stasis/internal/wall"
)

// Config says who an agent is, where it listens and where it keeps its log.
type Config struct {
	// ID is this agent's id, a key of Peers. Empty: the id of the data directory, or a new one;
	// only allowed without Peers.
	ID string
	// Name is by which commands find this agent; "": none. PID is told with it, and Dir, to who looks for the agent; 0: neither.
	Name string
	PID  int
	// Listen is the address to open, "host:port"; port 0 lets the network choose.
	Listen string
	// Advertise is the address told to peers and clients, "host:port". Empty: the entry of
	// Peers, or the address that was opened.
	Advertise string
	// Peers maps the id of every agent, this one included, to its "host:port". Empty: an agency
	// of one. Agents whose directories are all empty found an agency with these members, once
	// every peer has answered that it has nothing and names the same peers. Later starts use it
	// to find the addresses of ids.
	Peers map[string]string
	// Join names agents ("host:port") of an agency that a new agent is to become a member of;
	// without Peers. An agent that is a member already ignores it.
	Join []string
	// Bootstrap lets this agent found an agency among Peers without the answer of all: a
	// majority that has nothing is enough, and silent agents are taken for empty. If one of them
	// is not, there are two agencies. It has no effect on a directory that belongs to an agency.
	Bootstrap bool
	// Network is the seam for Raft and HTTP alike; nil is the operating system's.
	Network network.Network
	// Browsers tells which web pages may use this agent.
	Browsers network.Browsers
	// HTTP bounds what all requests together hold.
	HTTP network.Limits
	// Dir is the data directory.
	Dir string
	// FS is the file system that Dir is on: a new one for each start of a fault.Disk, in memory or over the real disk. nil: the
	// operating system's, where Raft's votes and the list of the log's segments are in Bolt's files. With FS a new directory keeps
	// nothing in Bolt's files, and every call goes through FS: log, votes, snapshots, identity and notes. Of a directory that was made
	// without FS everything but Bolt's files does.
	FS vfs.FS
	// LogStore is what keeps Raft's log in Dir: store.LogBolt or store.LogWAL. Empty: what Dir
	// has already, LogWAL if it is new. With LogWAL a request's body is at most 63 MiB.
	LogStore string
	Logger   hclog.Logger
	// Wall is the wall clock; nil is the system's. It is in what the agency keeps and tells as a time. Nothing is decided by
	// it but when values with a time to live expire, and how long an operator's pause of the supervision lasts.
	Wall wall.Clock
	// Steps receives what the supervision does.
	Steps  event.Sink
	Timing Timing
	// MaxBodyBytes bounds the body of a request; a larger one is answered 413. Only the Plan of
	// a restore may be larger than quota.MaxEnvelope.
	MaxBodyBytes int64
	// TreeQuota bounds the tree, in bytes of memory, about. The leader's counts.
	TreeQuota int64
}

// Timing holds the intervals and thresholds of an agent. Zero fields take the defaults.
type Timing struct {
	Heartbeat time.Duration // a follower that hears nothing for so long stands for election
	Election  time.Duration // a candidate without a result for so long tries again
	Lease     time.Duration // a leader that reaches no majority for so long steps down

	// Write bounds how long a write waits for its commit before it is answered 408: outcome
	// unknown.
	Write time.Duration
	// Read bounds how long a read waits for the confirmation of leadership before it is answered
	// 503.
	Read time.Duration

	// DiskPatience is how long a call to the disk may take. After that the disk counts as one
	// that hangs, and the agent is fenced until it is back.
	DiskPatience time.Duration
	// DiskTimeout is how long the disk may hang before the agent stops for good. Until then it
	// goes on when the disk does.
	DiskTimeout time.Duration

	SnapshotInterval  time.Duration // how often the need for a snapshot is looked at
	SnapshotThreshold uint64        // Raft entries since the last snapshot that make one due
	TrailingLogs      uint64        // Raft entries kept after a snapshot, for followers that lag
	SnapshotBytes     int64         // of Raft entries since the last snapshot that make one due, if the tree is not larger
	TrailingBytes     int64         // of Raft entries kept after a snapshot, at most
	KeepLog           int           // changes that poll can still deliver

	Supervision time.Duration // between two passes of the supervision
	OkThreshold time.Duration // age of a heartbeat up to which a server is GOOD
	Grace       time.Duration // age of a heartbeat beyond which a server is FAILED
	LeaderGrace time.Duration // a server that this leader has never heard is not judged earlier
	Ownerless   time.Duration // a lock without holder is taken away after so long
}

// withDefaults fills the zero fields.
func (t Timing) withDefaults() Timing {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&t.Heartbeat, time.Second)
	set(&t.Election, max(time.Second, t.Heartbeat))
	set(&t.Lease, t.Heartbeat) // not shorter: reads are confirmed and do not rely on it
	set(&t.Write, 10*time.Second)
	set(&t.Read, 5*time.Second)
	set(&t.DiskPatience, max(time.Second, t.Election)) // syncs do not get faster with shorter elections
	set(&t.DiskTimeout, max(2*time.Minute, 20*t.DiskPatience))
	set(&t.SnapshotInterval, 30*time.Second)
	set(&t.Supervision, time.Second)
	set(&t.Grace, 10*time.Second)
	set(&t.OkThreshold, min(5*time.Second, t.Grace/2))
	if t.SnapshotThreshold == 0 {
		t.SnapshotThreshold = 8192
	}
	if t.TrailingLogs == 0 {
		t.TrailingLogs = 8192
	}
	if t.SnapshotBytes == 0 {
		t.SnapshotBytes = 64 << 20
	}
	if t.TrailingBytes == 0 {
		t.TrailingBytes = 64 << 20
	}
	if t.KeepLog == 0 {
		t.KeepLog = tree.DefaultKeepLog
	}
	return t
}

// defaultMaxBody is enough for the Plan of a large cluster in one transaction.
const defaultMaxBody = 64 << 20

func (c Config) withDefaults() Config {
	if c.Network == nil {
		c.Network = network.TCP()
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	if c.MaxBodyBytes == 0 {
		c.MaxBodyBytes = defaultMaxBody
	}
	c.HTTP = c.HTTP.WithDefaults()
	if c.TreeQuota == 0 {
		c.TreeQuota = quota.Default
	}
	c.Timing = c.Timing.withDefaults()
	return c
}

// check refuses what cannot work, before anything is opened.
func (c Config) check() error {
	if c.Dir == "" {
		return errors.New("agent needs a data directory")
	}
	if c.TreeQuota < quota.Least {
		return fmt.Errorf("tree quota of %d bytes: %d are the least", c.TreeQuota, quota.Least)
	}
	if c.LogStore != "" && c.LogStore != store.LogBolt && c.LogStore != store.LogWAL {
		return fmt.Errorf("log store %q: there are %s and %s", c.LogStore, store.LogBolt, store.LogWAL)
	}
	if len(c.Peers) == 0 {
		return nil
	}
	if c.ID == "" {
		return errors.New("an agent with peers needs its id")
	}
	if _, ok := c.Peers[c.ID]; !ok {
		return fmt.Errorf("agent %s is not among its peers", c.ID)
	}
	return nil
}
