package api

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"stasis/agency/fence"
	"stasis/agency/founding"
	"stasis/agency/keys"
	"stasis/agency/leadership"
	"stasis/agency/member"
	"stasis/agency/origin"
	"stasis/agency/proposer"
	"stasis/agency/quota"
	"stasis/agency/readindex"
	"stasis/agency/tree"
	"stasis/fsm"
	"stasis/internal/network"
)

// Prefix begins the paths of the agency's own calls.
const Prefix = "/_api/agency"

// Leader tells whether this agent leads.
type Leader interface {
	// Serving waits until the present leadership serves, or is ErrNotLeader.
	Serving(ctx context.Context) (*leadership.Leadership, error)
	// Current is the present leadership, nil if there is none. It need not serve yet.
	Current() *leadership.Leadership
}

// Tree is the tree as this agent has applied it: not confirmed to be the newest.
type Tree interface {
	State() *fsm.State
	// Present is a state as it is to be seen at this moment: without what has expired.
	Present(s *fsm.State) *fsm.State
}

// Self is the agent itself.
type Self struct {
	ID        string
	Advertise string       // host:port
	Process   keys.Process // how people find it
}

// Options are the parts of the agent that answers are made from.
type Options struct {
	Self Self
	// MaxBody bounds the body of a request in bytes.
	MaxBody   int64
	Limits    network.Limits
	Intervals Intervals
	// Running ends when the agent begins to stop.
	Running context.Context

	Raft     Raft
	Tree     *tree.Replica
	Quota    *quota.Quota
	Settings Settings
	Fence    *fence.Fence
	Origins  *origin.Origins
	Status   *origin.Status
	Founder  *founding.Founder
	Leader   Leader
	Reader   *readindex.Reader
	Proposer *proposer.Proposer
	Members  *member.Members
	// Leads are the id and the "host:port" of the agent that leads as far as this one knows;
	// empty if none is known.
	Leads  func() (id, address string)
	Logger hclog.Logger
}

// Raft is what config tells of Raft.
type Raft interface {
	CurrentTerm() uint64
	LastIndex() uint64
}

// Settings are what config changes of this agent, until it stops.
type Settings interface {
	// Compact takes a snapshot now and shortens Raft's log.
	Compact(ctx context.Context) error
	// SnapshotAfter sets how many entries make a snapshot due, and how many stay after one.
	// Threshold is how many make one due.
	SnapshotAfter(entries uint64) error
	Threshold() uint64
	// Keep sets how many changes of the tree poll can deliver. Kept is how many it is.
	Keep(changes int)
	Kept() int
}

// Intervals are those that config tells of.
type Intervals struct {
	Heartbeat   time.Duration
	Election    time.Duration
	Supervision time.Duration
	Grace       time.Duration
	OkThreshold time.Duration
}
