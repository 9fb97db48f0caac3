package route

import (
	"errors"
	"slices"

	"stasis/coordinator/catalog"
	dbclient "stasis/dbserver/client"
	"stasis/internal/shardkey"
)

// Ref is a collection as a client named it: by name or id.
type Ref struct{ Database, Name string }

// Request is operations on documents of one collection.
type Request struct {
	Ref         Ref
	Snapshot    *catalog.Snapshot   // that has Collection
	Collection  *catalog.Collection // where to send first
	Ops         []dbclient.Op
	Spots       []shardkey.Spot // of Ops, if Collection has other shard keys than _key; else nil
	Bounds      Bounds
	Pinned      bool // fail rather than apply in another restore epoch than Snapshot's
	WaitForSync bool
	ReturnOld   bool
	ReturnNew   bool
}

// Bounds are what earlier batches of a client's request leave to this one.
type Bounds struct {
	// Failed has the shards at which one of them failed. Operations on these shards are refused:
	// they must not overtake the one that failed. Documents adds the shards at which this
	// request fails. Nil: there are no other batches.
	Failed Failed
	// Returned is how many bytes of documents may be returned. After so many, or a little more,
	// operations that return documents are refused. 0: any number; negative: none.
	Returned int64
}

// Failed are shards by their names.
type Failed map[string]bool

// ErrReturnedEnough is the cause of a refusal: the operation was not applied, because those
// before it return as many bytes as Bounds allow.
var ErrReturnedEnough = errors.New("the documents in the answer take as many bytes as it may have")

// Outcome has one result per operation, in order.
type Outcome struct {
	Results []dbclient.OpResult
	Synced  bool // all writes are on disk
}

// returning says whether operations return documents.
func (r *Request) returning() bool {
	return r.ReturnOld || r.ReturnNew || slices.ContainsFunc(r.Ops, func(op dbclient.Op) bool { return op.Kind == dbclient.OpRead })
}
