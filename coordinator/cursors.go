package coordinator

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"stasis/coordinator/catalog"
	"stasis/coordinator/cursor"
	"stasis/coordinator/rest"
	"stasis/coordinator/route"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// Batch sizes of cursors.
const (
	defaultBatch = 1000
	maxBatch     = 100_000
)

func (a *api) cursorRoutes() []rest.Route {
	return []rest.Route{
		{Method: "PUT", Pattern: "/_api/simple/all", Handler: refuseTransaction(a.allDocuments)},
		{Method: "POST", Pattern: "/_api/cursor", Handler: notSupported("queries are")},
		{Method: "PUT", Pattern: "/_api/cursor/{id}", Handler: a.nextBatch},
		{Method: "POST", Pattern: "/_api/cursor/{id}", Handler: a.nextBatch},
		{Method: "DELETE", Pattern: "/_api/cursor/{id}", Handler: a.dropCursor},
		{Method: "POST", Pattern: "/_api/transaction/{command}", Handler: notSupported("stream transactions are")},
		{Method: "POST", Pattern: "/_api/transaction", Handler: notSupported("transactions are")},
	}
}

// allDocuments opens a cursor over a collection.
func (a *api) allDocuments(c *rest.Call) error {
	var body struct {
		Collection string   `json:"collection"`
		Skip       *float64 `json:"skip"`
		Limit      *float64 `json:"limit"`
		BatchSize  *float64 `json:"batchSize"`
		TTL        *float64 `json:"ttl"`
	}
	if err := c.Object(&body); err != nil {
		return err
	}
	if body.Collection == "" {
		return apierror.New(apierror.BadParameter, "expecting a collection's name in attribute collection")
	}
	for _, n := range []*float64{body.Skip, body.Limit, body.BatchSize, body.TTL} {
		if n != nil && (*n < 0 || *n > 1<<53) {
			return apierror.New(apierror.BadParameter, "skip, limit, batchSize and ttl must not be negative")
		}
	}
	v, coll, err := a.collection(c, body.Collection)
	if err != nil {
		return err
	}
	count, _, err := a.router.Count(c.R.Context(), route.Ref{Database: c.DB, Name: coll.ID})
	if err != nil {
		return err
	}
	source := a.source(c.DB, v, coll)
	source.Skip = uint64(or(body.Skip, 0))
	left := count - min(count, source.Skip)
	if body.Limit != nil {
		source.Limit = uint64(*body.Limit)
		source.Limited = true
		left = min(left, source.Limit)
	}
	source.Count = &left
	ttl := time.Duration(min(or(body.TTL, 0), 24*3600) * float64(time.Second))
	if ttl == 0 {
		ttl = a.timing.CursorTTL
	}
	cur := cursor.New(source, min(int(max(or(body.BatchSize, defaultBatch), 1)), maxBatch), ttl)
	if err := a.cursors.Add(cur); err != nil {
		return err
	}
	return a.answerBatch(c, cur, http.StatusCreated)
}

func or(v *float64, def float64) float64 {
	if v == nil {
		return def
	}
	return *v
}

// source reads the collection as long as the data is that of the view's restore epoch.
func (a *api) source(db string, v *catalog.View, coll *catalog.Collection) cursor.Source {
	ref, epoch := route.Ref{Database: db, Name: coll.ID}, v.Epoch
	return cursor.Source{
		Database: db,
		Shards:   coll.ShardNames,
		Fetch: func(ctx context.Context, shard, after string, limit int) (cursor.Page, error) {
			page, err := a.router.Scan(ctx, route.Place{Ref: ref, Epoch: epoch, Shard: shard}, dbclient.ScanRequest{After: after, Limit: limit})
			return cursor.Page{Documents: page.Documents, LastKey: page.LastKey, More: page.More}, err
		},
	}
}

// answerBatch answers with the next batch; after the last the cursor is gone.
func (a *api) answerBatch(c *rest.Call, cur *cursor.Cursor, status int) error {
	batch, err := cur.Next(c.R.Context())
	if err != nil {
		if status == http.StatusCreated { // the client will not learn its id
			_ = a.cursors.Remove(c.DB, cur.ID) // may have expired: gone all the same
		}
		return err
	}
	if batch.Result == nil {
		batch.Result = []json.RawMessage{}
	}
	f := rest.Fields{
		"result": batch.Result, "hasMore": batch.More, "cached": false,
		"extra": rest.Fields{"stats": rest.Fields{}, "warnings": []any{}},
	}
	if batch.Count != nil {
		f["count"] = *batch.Count
	}
	if batch.More {
		f["id"] = batch.ID
	} else {
		_ = a.cursors.Remove(c.DB, cur.ID) // may have expired: gone all the same
	}
	return c.OK(status, f)
}

func (a *api) nextBatch(c *rest.Call) error {
	cur, err := a.cursors.Find(c.DB, c.Arg(0))
	if err != nil {
		return err
	}
	return a.answerBatch(c, cur, http.StatusOK)
}

func (a *api) dropCursor(c *rest.Call) error {
	if err := a.cursors.Remove(c.DB, c.Arg(0)); err != nil {
		return err
	}
	return c.OK(http.StatusAccepted, rest.Fields{"id": c.Arg(0)})
}
