package shard

import (
	"context"

	dbclient "stasis/dbserver/client"
)

// Quorum is what a leader's writes depend on.
type Quorum interface {
	// Admit says whether a write may begin: an error means that nothing was done.
	Admit() error
	// Await returns when the records up to seq are committed; with sync, when they are also on
	// disk in all in-sync replicas, this one included. An error means that their outcome is
	// unknown. ctx is not the client's: a record that has a number is waited for although the
	// client has gone.
	Await(ctx context.Context, seq uint64, sync bool) error
}

// leadership is what a leader writes under. The shard's mu is held while it is used.
type leadership struct {
	tenure  Tenure
	quorum  Quorum
	alone   bool                 // no other replica has to have a record before it is applied
	begun   uint64               // last record of the log when it began
	pending map[string]tentative // what the records of the tail do to keys
	emptied uint64               // the last truncation that was numbered
	doubts  *doubts              // the shard's: what is prepared
	decided map[TxnID]Decision   // also those in the tail
}

// tentative is the outcome of a record of the tail for a key.
type tentative struct {
	seq    uint64
	stored []byte // the document; nil: removed
}

// note keeps the outcome of a record that is numbered and not applied.
func (l *leadership) note(r Record, w write) {
	for _, c := range r.Changes {
		switch c.Kind {
		case Put:
			l.pending[c.Key] = tentative{seq: r.Seq, stored: c.Value}
		case Delete:
			l.pending[c.Key] = tentative{seq: r.Seq}
		case Truncate:
			l.emptied = r.Seq
		case Prepare:
			l.doubts.add(w.doubt)
		case Resolved:
			w.doubt.resolve(r.Seq, c)
		case Decided:
			l.decided[w.decision.ID] = *w.decision
		}
	}
}

// applied forgets the outcomes of records that are applied.
func (l *leadership) applied(records []Record) {
	for _, r := range records {
		for _, c := range r.Changes {
			switch {
			case c.Kind == Resolved:
				l.doubts.settle(c.Key)
			case c.Kind == Forgotten:
				if id, err := txnOf(c.Key); err == nil {
					delete(l.decided, id)
				}
			case l.pending[c.Key].seq == r.Seq:
				delete(l.pending, c.Key)
			}
		}
	}
}

// write is what is about to be numbered.
type write struct {
	changes  []Change
	added    int64     // documents
	time     uint64    // of the clock
	doubt    *doubt    // Prepare, Resolved
	decision *Decision // Decided
}

// ofTransaction says whether the last change is one of a transaction.
func (w write) ofTransaction() bool { return w.changes[len(w.changes)-1].Kind > Truncate }

// writes says whether any of the operations writes.
func writes(ops []dbclient.Op) bool {
	for _, op := range ops {
		if op.Kind != dbclient.OpRead {
			return true
		}
	}
	return false
}
