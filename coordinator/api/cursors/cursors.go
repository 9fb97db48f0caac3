package cursors

import (
	"context"
	"net/http"
	"strings"
	"time"

	"stasis/coordinator/catalog"
	"stasis/coordinator/cursor"
	"stasis/coordinator/route"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// Batch sizes. A client that asks for larger batches gets the maximum, and hasMore.
const (
	defaultBatch = 1000
	maxBatch     = 100_000
)

// maxTTL is the longest time that a client may ask for.
const maxTTL = 24 * time.Hour

// Routes returns the paths that an API answers.
func (a *API) Routes() []rest.Route {
	return []rest.Route{
		{Method: "PUT", Pattern: "/_api/simple/all", Handler: a.allDocuments, Transaction: rest.Joins},
		{Method: "POST", Pattern: "/_api/cursor", Handler: rest.NotSupported("queries are")},
		{Method: "PUT", Pattern: "/_api/cursor/{id}", Handler: a.nextBatch, Transaction: rest.Joins},
		{Method: "POST", Pattern: "/_api/cursor/{id}", Handler: a.nextBatch, Transaction: rest.Joins},
		{Method: "DELETE", Pattern: "/_api/cursor/{id}", Handler: a.dropCursor, Transaction: rest.Joins},
	}
}

// allDocuments answers with the first batch of a collection, and keeps a cursor if another
// batch follows.
func (a *API) allDocuments(c *rest.Call) error {
	q, err := readAll(c)
	if err != nil {
		return err
	}
	snap, coll, err := a.Catalog.Collection(c.R.Context(), c.DB, q.Collection)
	if err != nil {
		return err
	}
	count, _, err := a.Router.Count(c.R.Context(), route.Ref{Database: c.DB, Name: coll.ID})
	if err != nil {
		return err
	}
	source := a.source(c.DB, snap, coll)
	source.Transaction = transactionOf(c.R.Context())
	source.Skip = uint64(or(q.Skip, 0))
	left := count - min(count, source.Skip)
	if q.Limit != nil {
		source.Limit = uint64(*q.Limit)
		source.Limited = true
		left = min(left, source.Limit)
	}
	source.Count = &left
	ttl := time.Duration(or(q.TTL, 0) * float64(time.Second))
	if ttl == 0 {
		ttl = a.TTL
	}
	cur := cursor.New(source, min(int(max(or(q.BatchSize, defaultBatch), 1)), maxBatch), ttl)
	batch, err := cur.Next(c.R.Context())
	if err != nil {
		return err
	}
	if batch.More {
		if err := a.Store.Add(cur); err != nil {
			return err
		}
	}
	return answerBatch(c, http.StatusCreated, cur.ID, batch)
}

// allQuery is the body of a request for all documents.
type allQuery struct {
	Collection string   `json:"collection"`
	Skip       *float64 `json:"skip"`
	Limit      *float64 `json:"limit"`
	BatchSize  *float64 `json:"batchSize"`
	TTL        *float64 `json:"ttl"` // seconds
}

func readAll(c *rest.Call) (q allQuery, err error) {
	if err := c.Object(&q); err != nil {
		return q, err
	}
	if q.Collection == "" {
		return q, apierror.New(apierror.BadParameter, "expecting a collection's name in attribute collection")
	}
	for _, n := range []*float64{q.Skip, q.Limit, q.BatchSize, q.TTL} {
		if n != nil && (*n < 0 || *n > 1<<53) {
			return q, apierror.New(apierror.BadParameter, "skip, limit, batchSize and ttl must not be negative, nor above 2^53")
		}
	}
	if ttl := or(q.TTL, 0); ttl > maxTTL.Seconds() {
		return q, apierror.New(apierror.BadParameter, "ttl %v is too long: a cursor is kept for %v seconds at most after its last use", ttl, maxTTL.Seconds())
	}
	return q, nil
}

func or(v *float64, def float64) float64 {
	if v == nil {
		return def
	}
	return *v
}

// source reads the collection while the data is that of the snapshot's restore epoch. The
// cursor keeps it, so it must not keep the snapshot or the request in memory.
func (a *API) source(db string, snap *catalog.Snapshot, coll *catalog.Collection) cursor.Source {
	ref, epoch := route.Ref{Database: strings.Clone(db), Name: strings.Clone(coll.ID)}, snap.Epoch
	return cursor.Source{
		Database: ref.Database,
		Shards:   len(coll.ShardNames), // the number never changes
		Fetch: func(ctx context.Context, shard int, after string, limit int) (cursor.Page, error) {
			page, err := a.Router.Scan(ctx, route.Place{Ref: ref, Epoch: epoch, Shard: shard}, dbclient.ScanRequest{After: after, Limit: limit})
			return cursor.Page{Documents: page.Documents, PrevKey: page.PrevKey, LastKey: page.LastKey, More: page.More}, err
		},
	}
}

// answerBatch answers with a batch.
func answerBatch(c *rest.Call, status int, id string, batch cursor.Batch) error {
	f := rest.Fields{
		"hasMore": batch.More, "cached": false,
		"extra": rest.Fields{"stats": rest.Fields{}, "warnings": []any{}},
	}
	if batch.Count != nil {
		f["count"] = *batch.Count
	}
	if batch.More {
		f["id"] = id
	}
	return c.List(status, f, batch.Result)
}

// nextBatch answers with the next batch. After the last one the cursor does not exist any more.
func (a *API) nextBatch(c *rest.Call) error {
	cur, done, err := a.Store.Use(c.DB, c.Arg(0))
	if err != nil {
		return err
	}
	defer done()
	ctx, leave, err := a.within(c, dbclient.TxnID(cur.Transaction()))
	if err != nil {
		return err
	}
	defer leave()
	batch, err := cur.Next(ctx)
	if err != nil {
		return err
	}
	if !batch.More {
		_ = a.Store.Remove(c.DB, cur.ID) // an error means that the client has removed it meanwhile
	}
	return answerBatch(c, http.StatusOK, cur.ID, batch)
}

func (a *API) dropCursor(c *rest.Call) error {
	if err := a.Store.Remove(c.DB, c.Arg(0)); err != nil {
		return err
	}
	return c.OK(http.StatusAccepted, rest.Fields{"id": c.Arg(0)})
}
