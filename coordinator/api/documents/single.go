package documents

import (
	"context"
	"net/url"

	"stasis/coordinator/document"
	"stasis/coordinator/route"
	dbclient "stasis/dbserver/client"
)

// apply applies the only operation of a batch. The operation's error is the request's.
func (q *request) apply(ctx context.Context, router Router, b *batch) (result dbclient.OpResult, synced bool, err error) {
	if b.errs[0] != nil {
		return dbclient.OpResult{}, false, b.errs[0]
	}
	results, synced, err := b.send(ctx, router, q, route.Bounds{})
	if err != nil {
		return dbclient.OpResult{}, false, err
	}
	if b.errs[0] != nil {
		e := document.Failure(q.coll.Name, b.ops[0].Key, results[0], b.errs[0])
		if rev, ok := e.Extra["_rev"].(string); ok {
			q.setETag(rev)
		}
		return results[0], false, e
	}
	return results[0], synced, nil
}

// answerWrite applies a single write and answers.
func (q *request) answerWrite(router Router, b *batch) error {
	result, synced, err := q.apply(q.call.R.Context(), router, b)
	if err != nil {
		return err
	}
	op := b.ops[0]
	meta := document.MetaOf(q.coll.Name, op, result)
	q.setETag(meta.Rev)
	if op.Kind != dbclient.OpRemove {
		q.call.W.Header().Set("Location", "/_db/"+q.call.DB+"/_api/document/"+q.coll.Name+"/"+url.PathEscape(meta.Key))
	}
	status := statusOf(op.Kind, synced)
	if q.silent {
		return q.call.Answer(status, struct{}{})
	}
	return q.call.Answer(status, meta)
}
