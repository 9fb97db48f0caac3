package transaction

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/locks"
	"stasis/dbserver/shard"
	"stasis/dbserver/store"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// part is what this server has of a transaction. What is below turn is under the ledger's mutex.
type part struct {
	id          dbclient.TxnID
	token       string
	coordinator string
	begun       time.Time
	elsewhere   atomic.Bool // it is inside the gate of another server as open
	lockWait    time.Duration
	limit       int64 // of bytes
	store       *store.Store
	owner       *locks.Owner

	turn chan struct{}           // has its token while no request is at work
	life context.Context         // ends with why as its cause
	kill context.CancelCauseFunc // ends life
	over chan struct{}           // closed when everything is released

	why    error // it has ended
	stakes map[string]*stake
	places places
	bytes  int64
	kept   time.Time
}

// places are where a part is inside the gate: each leaves it. nil: it is not inside.
type places struct{ open, committing func() }

// stake is what a part has on one shard.
type stake struct {
	part     *shard.Part
	tenure   shard.Tenure
	phase    phase
	lost     bool          // the leadership has ended
	deciding chan struct{} // closed when the decision that is being made has an outcome; nil: none is being made
	decided  bool          // the transaction is committed by it
}

// phase is how far a stake has come.
type phase int

const (
	open      phase = iota
	preparing       // or deciding: a record is on its way
	prepared        // or perhaps prepared
	settled         // resolved, decided, or lost: nothing more of the transaction happens to the shard through this part
)

// bound says whether the part cannot be given up: a record of it is on its way, or its home decides. The ledger's mutex is held.
func (p *part) bound() bool {
	for _, st := range p.stakes {
		if (st.phase == preparing || st.phase == prepared) && !failpoint.Off("prepared-is-bound") {
			return true
		}
	}
	return false
}

// done says whether one of its shards is settled and none is bound: then nothing more is to be done for it. The ledger's mutex
// is held.
func (p *part) done() bool {
	any := false
	for _, st := range p.stakes {
		any = any || st.phase == settled
	}
	return any && !p.bound()
}

// decides names the shard on which this part decides the transaction, or has decided it. The ledger's mutex is held.
func (p *part) decides() string {
	for name, st := range p.stakes {
		if st.deciding != nil || st.decided {
			return name
		}
	}
	return ""
}

// in are the shards of a part that are in a phase. The ledger's mutex is held.
func (p *part) in(ph phase) (names []string) {
	for name, st := range p.stakes {
		if st.phase == ph {
			names = append(names, name)
		}
	}
	return names
}

// who names the part for those whom it is in the way of.
func (p *part) who() string {
	return fmt.Sprintf("transaction %s of coordinator %s", p.id, p.coordinator)
}

// gone is the error of a request for a part that is not here. why is a clause.
func gone(id dbclient.TxnID, why string) error {
	return apierror.New(apierror.TxnGone, "transaction %s has nothing on this server any more: %s", id, why)
}

// Reasons of parts that have ended well.
const (
	committed = "it is committed"
	aborted   = "it is aborted"
)

// moved is why a part ends that a new leadership has left without what it had.
func moved(shard string) string {
	return fmt.Sprintf("the leadership of shard %s that it had begun with is over", shard)
}
