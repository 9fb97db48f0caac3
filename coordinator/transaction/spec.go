package transaction

import (
	"time"

	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
)

// Access is what a transaction does with a collection.
type Access int

// From the least to the most.
const (
	Read Access = iota + 1
	Write
	Exclusive // and nobody else writes there meanwhile
)

// Spec is what a client chooses when it begins a transaction.
type Spec struct {
	Database    string
	Collections map[string]Access // by name or id
	WaitForSync bool              // its commit is on disk when it is answered
	Implicit    bool              // collections that are not declared may be read
	LockTimeout *float64          // seconds; nil: the default; 0: as long as possible
	MaxBytes    int64             // that it may write; 0: the default
}

// declared is a Spec that was checked.
type declared struct {
	database    string
	access      map[string]Access // by the collection's id
	waitForSync bool
	implicit    bool
	lockTimeout time.Duration
	maxBytes    int64
}

// writes says whether the transaction may write anything.
func (d declared) writes() bool {
	for _, a := range d.access {
		if a >= Write {
			return true
		}
	}
	return false
}

// may returns an error if the transaction must not use a collection so.
func (d declared) may(coll *catalog.Collection, write bool) (whole bool, err error) {
	switch a := d.access[coll.ID]; {
	case write && a < Write && a == Read:
		return false, apierror.New(apierror.TransactionUndeclared, "collection %s is declared for reading in this transaction: to write there, name it in write or exclusive at its begin", coll.Name)
	case write && a < Write:
		return false, apierror.New(apierror.TransactionUndeclared, "collection not declared in transaction: %s: to write there, name it in write or exclusive at its begin", coll.Name)
	case a == 0 && !d.implicit:
		return false, apierror.New(apierror.TransactionUndeclared, "collection not declared in transaction: %s: name it in read at its begin, or allow it with allowImplicit", coll.Name)
	default:
		return a == Exclusive, nil
	}
}
