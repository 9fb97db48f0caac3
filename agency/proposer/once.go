package proposer

import (
	"errors"
	"fmt"

	"stasis/agency/outcome"
	"stasis/fsm"
	"stasis/internal/failpoint"
)

// A client that was not answered inquires, and repeats its request if it was not applied. The
// first request may still be on its way then: in the socket buffers of a leader whose process
// stood still, or read and not yet queued, while the inquiry and the repetition came on other
// connections. So a client that repeats says of every request (keys.OnceHeader) that its client
// ids are its own, and the leader proposes none of them a second time.
//
// What the leader looks at is complete. Entries of earlier leaders are applied before its
// leadership serves. An envelope is proposed under the leadership that has taken it or not at
// all. This leader's own entries are in flight or applied. The tree knows the ids of its log,
// the newest 20,000 changes.

var errOnce = errors.New("a request with the same client id was applied or is on its way, and this one is not applied: inquire")

// onces are the client ids that must not be proposed again. The mutex of the queue guards them.
type onces struct {
	flying  map[string]struct{} // in flight
	applied func(id string) bool
}

func newOnces(applied func(id string) bool) onces {
	return onces{flying: map[string]struct{}{}, applied: applied}
}

// stale says why an envelope with these ids must not be proposed any more. It looks at what is in flight before
// it looks at the tree: an envelope that is applied in between is seen twice, and never missed.
func (o *onces) stale(lost <-chan struct{}, ids []string) error {
	select {
	case <-lost:
		return fmt.Errorf("%w: leadership ended before it was proposed", outcome.ErrNotLeader)
	default: // also without a leadership
	}
	for _, id := range ids {
		_, flies := o.flying[id]
		if (flies || o.applied(id)) && !failpoint.Off("once-is-once") {
			return fmt.Errorf("%w: client id %s: %w", outcome.ErrUnknown, id, errOnce)
		}
	}
	return nil
}

// begin notes that an envelope is in flight.
func (o *onces) begin(ids []string) {
	for _, id := range ids {
		o.flying[id] = struct{}{}
	}
}

// end notes that a batch has its outcome.
func (o *onces) end(ids []string) {
	for _, id := range ids {
		delete(o.flying, id)
	}
}

// clientIDs are those of the transactions that have one.
func clientIDs(transactions []fsm.Transaction) (ids []string) {
	for _, t := range transactions {
		if id := t.ClientID(); id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}
