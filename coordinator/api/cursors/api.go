// Package cursors answers requests for all documents of a collection, batch by batch: PUT
// /_api/simple/all and /_api/cursor. A batch is read from the shards when it is asked for.
// Cursors that have more batches are kept in a [cursor.Store], which bounds their memory and
// their time.
//
// A cursor that was made in a stream transaction reads in it, until the transaction ends. Queries are refused.
package cursors

import (
	"context"
	"time"

	"stasis/coordinator/catalog"
	"stasis/coordinator/cursor"
	"stasis/coordinator/route"
	dbclient "stasis/dbserver/client"
)

// Router reads shards.
type Router interface {
	Count(ctx context.Context, ref route.Ref) (count uint64, revision string, err error)
	Scan(ctx context.Context, at route.Place, req dbclient.ScanRequest) (dbclient.ScanResponse, error)
}

// API answers requests on cursors. All fields are required.
type API struct {
	Catalog *catalog.Catalog
	Router  Router
	Store   *cursor.Store
	// Join is a transaction's context for a request that does not name it: a cursor reads in the transaction that it was made in.
	Join func(ctx context.Context, db string, id dbclient.TxnID) (_ context.Context, leave func(), err error)
	TTL  time.Duration // of a cursor whose client asks for none
}
