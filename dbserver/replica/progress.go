package replica

import (
	"context"
	"time"
)

// progress is what the leader knows of one follower (etcd's raft calls it Progress). The
// follower's feed and the in-sync set share it under the mutex of state.
type progress struct {
	wake chan struct{}      // holds a token when there may be something to send
	stop context.CancelFunc // ends the feed

	required bool      // no record is committed that the follower does not have
	needs    uint64    // records up to here may have been committed without it: it must have them before it is reported
	copying  bool      // the log no longer reaches back to what it has: it needs a copy
	reported uint64    // reboot id with which Current has it as in sync; 0: Current does not have it
	reboot   uint64    // of the process that answered last
	acked    uint64    // its log has everything up to here
	synced   uint64    // everything up to here is on its disk
	told     uint64    // it knows that everything up to here is committed
	asked    time.Time // since when the leader waits for an answer; zero: the last one has come
}

// poke has the feed look for something to send.
func (p *progress) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// silent is how long the leader has waited for an answer of the follower. A leader that asks
// nothing counts no silence: its own disk may hold it up, and if it took its followers out
// of the in-sync set for that, none of them could lead in its place.
func (p *progress) silent(now time.Time) time.Duration {
	if p.asked.IsZero() {
		return 0
	}
	return now.Sub(p.asked)
}
