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
}

// tentative is the outcome of a record of the tail for a key.
type tentative struct {
	seq      uint64
	document *document // nil: removed
}

// note keeps the outcome of a record that is numbered and not applied.
func (l *leadership) note(seq uint64, w write) {
	if w.change.Kind == Truncate {
		l.emptied = seq
		return
	}
	l.pending[w.change.Key] = tentative{seq: seq, document: w.document}
}

// applied forgets the outcomes of records that are applied.
func (l *leadership) applied(records []Record) {
	for _, r := range records {
		for _, c := range r.Changes {
			if l.pending[c.Key].seq == r.Seq {
				delete(l.pending, c.Key)
			}
		}
	}
}

// write is a change that is about to be numbered.
type write struct {
	change   Change
	document *document // Put: the same as in change
	added    int64     // documents
	time     uint64    // of the clock
}

// writes says whether any of the operations writes.
func writes(ops []dbclient.Op) bool {
	for _, op := range ops {
		if op.Kind != dbclient.OpRead {
			return true
		}
	}
	return false
}
