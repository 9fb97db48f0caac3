package agency

import (
	"errors"
	"fmt"

	"stasis/agency/outcome"
	"stasis/fsm"
	"stasis/internal/failpoint"
)

// A client that was not answered inquires, and repeats its request if it was not applied. The
// first request may still be on its way then: in the socket buffers of a leader that stood
// still, or read by it and not yet in the queue, while the inquiry and the repetition came
// on other connections. So who repeats says of every request (keys.OnceHeader) that its
// client ids are its own, and the leader proposes none of them a second time.
//
// What a leader looks at is complete: entries of earlier leaders are applied before its
// office serves, an envelope is proposed under the office that has taken it or not at all, and
// this leader's own entries are in the air or applied. The tree knows the ids of its log,
// the newest 20,000 changes.

var errOnce = errors.New("a request with the same client id was applied or is on its way, and this one is not applied: inquire")

// onces are the client ids that may not be proposed again. The proposer's lock guards them.
type onces struct {
	aloft   map[string]struct{} // in the air
	applied func(id string) bool
}

func newOnces() onces {
	return onces{aloft: map[string]struct{}{}, applied: func(string) bool { return false }}
}

// stale says why an envelope must not be proposed any more. What is in the air is looked at
// before the tree: what lands in between is seen twice, and never missed.
func (o *onces) stale(e *proposal) error {
	select {
	case <-e.held:
		return fmt.Errorf("%w: leadership ended before it was proposed", outcome.ErrNotLeader)
	default: // also without an office
	}
	for _, id := range e.once {
		_, flies := o.aloft[id]
		if (flies || o.applied(id)) && !failpoint.Off("once-is-once") {
			return fmt.Errorf("%w: client id %s: %w", outcome.ErrUnknown, id, errOnce)
		}
	}
	return nil
}

// begin notes that an envelope goes into the air, end that a batch has landed.
func (o *onces) begin(e *proposal) {
	for _, id := range e.once {
		o.aloft[id] = struct{}{}
	}
}

func (o *onces) end(batch []*proposal) {
	for _, e := range batch {
		for _, id := range e.once {
			delete(o.aloft, id)
		}
	}
}

// clientIDs are those of transactions that have one.
func clientIDs(transactions []fsm.Transaction) (ids []string) {
	for _, t := range transactions {
		if id := t.ClientID(); id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}
