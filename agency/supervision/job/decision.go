package job

import (
	"time"

	agencyclient "stasis/agency/client"
	"stasis/event"
)

// The steps of decisions, as events name them.
const (
	Created       event.Name = "job created"
	Started       event.Name = "job started"
	Finished      event.Name = "job finished"
	Failed        event.Name = "job failed"
	SetBack       event.Name = "job set back"
	Waits         event.Name = "job waits"
	Held          event.Name = "jobs wait for the thaw"
	LeaderChanged event.Name = "leader changed"
	LeaderResigns event.Name = "leader asked to resign"
	LeaderStays   event.Name = "resignation taken back"
	LeaderMissing event.Name = "shard without leader"
	Added         event.Name = "follower added"
	Removed       event.Name = "follower removed"
	Replaced      event.Name = "follower replaced"
	ReturnDropped event.Name = "leadership not returned"
	LostRemoved   event.Name = "report of a lost shard removed"
	LockRemoved   event.Name = "lock of an ended job removed"
)

// Decision is one transaction, with what it was made for. The preconditions of the transaction
// name everything that the decision is based on. A decision without a Step is bookkeeping, of
// which no event tells.
type Decision struct {
	Tx     agencyclient.Tx
	Step   event.Name
	Job    string // id
	DB     string
	Shard  string
	Server string
	Detail string // why this server, why now
	// Elapsed is how long something has lasted, for the event.
	Elapsed time.Duration
}
