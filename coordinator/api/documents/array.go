package documents

import (
	"context"
	"encoding/json"
	"errors"

	"stasis/coordinator/document"
	"stasis/coordinator/route"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// An array is worked off in batches of at most so many items, or bytes of documents. Beside
// the request and the answer, that is what one request has in memory.
const (
	batchItems = 10_000
	batchBytes = 16 << 20
)

// itemParser makes an operation of an item.
type itemParser func(item json.RawMessage) (document.Operation, error)

// checkReplacements refuses a whole array of new documents if one of them lacks a shard key, before anything is done.
func (q *request) checkReplacements(kind dbclient.OpKind, items json.RawMessage) error {
	if kind != dbclient.OpReplace || q.rules.ShardKeys == nil {
		return nil
	}
	for item := range document.Items(items) {
		if _, err := q.rules.Modify(kind, "", item); errors.Is(err, apierror.ShardKeysMissing) {
			return err
		}
	}
	return nil
}

// array is a request on an array of documents.
type array struct {
	q      *request
	router Router
	batch  batch
	bytes  int // of the documents in batch

	begun  bool // a batch has been sent
	bounds route.Bounds
	over   error // why no more is sent
	answer arrayAnswer
	paid   int // bytes of the answer that the request's account has
}

// answerArray does what the items of an array ask for and answers with one entry for each. If
// the client wants it silent, it answers with the errors only, or {}. An array whose answer
// would be larger than maxBytes is refused before anything is done.
func (q *request) answerArray(router Router, maxBytes int64, kind dbclient.OpKind, items json.RawMessage, parse itemParser) error {
	count := document.CountItems(items)
	if err := document.CheckAnswer(count, len(items), q.coll.Name, maxBytes); err != nil {
		return err
	}
	a := &array{
		q: q, router: router, batch: q.newBatch(), bounds: route.Bounds{Failed: route.Failed{}}, paid: count * (entryCost + len(q.coll.Name)),
		answer: arrayAnswer{collection: q.coll.Name, kind: kind, silent: q.silent, maxBytes: maxBytes, synced: true},
	}
	if err := q.call.Account().Take(costOf(int64(min(count, batchItems)), min(len(items), batchBytes)) + int64(a.paid)); err != nil {
		return err
	}
	ctx := q.call.R.Context()
	for item := range document.Items(items) {
		if err := a.take(ctx, parse, item); err != nil {
			return err
		}
	}
	if err := a.flush(ctx); err != nil {
		return err
	}
	return a.answer.send(q.call)
}

// take adds an item to the batch. Its error ends the request, which has changed nothing.
func (a *array) take(ctx context.Context, parse itemParser, item json.RawMessage) error {
	if a.over != nil {
		return a.answer.entry(dbclient.Op{}, dbclient.OpResult{}, notDone(a.over))
	}
	op, err := parse(item)
	if errors.Is(err, apierror.AgencyFailed) { // no key can be made, for this item nor for later ones
		if !a.begun {
			return err
		}
		if ferr := a.flush(ctx); ferr != nil {
			return ferr
		}
		a.over = err
		return a.answer.entry(op.Op, dbclient.OpResult{}, notDone(a.over))
	}
	a.batch.add(op, err)
	if a.bytes += len(op.Document); len(a.batch.ops) < batchItems && a.bytes < batchBytes {
		return nil
	}
	return a.flush(ctx)
}

// notDone is the error of an item that follows the one that ended the request.
func notDone(why error) *apierror.Error {
	e := apierror.From(why)
	return &apierror.Error{Num: e.Num, Message: "not done: " + e.Message, Cause: why}
}

// flush sends the batch and puts its entries into the answer.
func (a *array) flush(ctx context.Context) error {
	if len(a.batch.ops) == 0 && a.begun {
		return nil
	}
	if a.bounds.Returned = a.answer.maxBytes - int64(a.answer.body.Len()); a.bounds.Returned <= 0 {
		a.bounds.Returned = -1
	}
	held := a.q.call.Account().Held()
	results, synced, err := a.batch.send(ctx, a.router, a.q, a.bounds)
	if err != nil && !a.begun {
		return err
	}
	if err != nil {
		a.over, results = err, make([]dbclient.OpResult, len(a.batch.ops))
		for i := range a.batch.errs {
			a.batch.errs[i] = notDone(err)
		}
	}
	a.begun, a.answer.synced = true, a.answer.synced && synced
	for i, result := range results {
		if err := a.answer.entry(a.batch.ops[i], result, a.batch.errs[i]); err != nil {
			return err
		}
	}
	a.batch.clear()
	a.bytes = 0
	a.pay(held)
	return nil
}

// pay gives back the memory of the batch's results, and takes what the answer has of them.
// held is what the request held before.
func (a *array) pay(held int64) {
	account := a.q.call.Account()
	account.Give(account.Held() - held)
	if more := a.answer.body.Len() - a.paid; more > 0 {
		account.Owe(int64(more))
		a.paid += more
	}
}
