package facts

import (
	"slices"

	"stasis/fsm"
)

// Snapshot is what one tree says. All of it is read only.
type Snapshot struct {
	Root *fsm.Node

	// Frozen says that the holder of the agency lock keeps Plan as it is.
	Frozen bool
	// LockAwaited says that an operation waits for the agency lock, and that no other
	// operation holds it: pending jobs alone are in its way.
	LockAwaited bool

	Servers []string // the DB servers of Plan, by id
	Shards  []*Shard // by database, collection, name
	ToDo    []Job    // in the order of CompareIDs
	Pending []Job    // in the order of CompareIDs

	health     map[string]string // server → recorded status
	draining   map[string]bool   // servers that are cleaned out or on their way there
	resigning  map[string]bool   // servers with a pending resignLeadership
	maintained map[string]bool   // servers in maintenance
	named      map[string]*Shard
	jobs       map[string][]Job // shard → its jobs in ToDo and Pending
}

// Shard is the planned shard with a name, nil if there is none. Names are unique in the
// cluster.
func (s *Snapshot) Shard(name string) *Shard { return s.named[name] }

// Open is the jobs that have not ended: those to do, then those that are pending.
func (s *Snapshot) Open() []Job { return slices.Concat(s.ToDo, s.Pending) }
