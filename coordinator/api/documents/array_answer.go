package documents

import (
	"encoding/json"
	"errors"

	"stasis/coordinator/document"
	"stasis/coordinator/route"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// entryCost is about the size in bytes of an entry of the answer, beside the collection's name.
const entryCost = 128

// arrayAnswer is the answer to an array: one entry for each item, in order.
type arrayAnswer struct {
	collection string
	kind       dbclient.OpKind
	silent     bool  // only errors have an entry
	maxBytes   int64 // of body

	failures document.Failures
	synced   bool // everything so far is on disk
	entries  int
	body     rest.Pieces
}

// entry adds the entry of an item. Its error ends the request: reads have no other effect than
// their answer.
func (a *arrayAnswer) entry(op dbclient.Op, result dbclient.OpResult, err *apierror.Error) error {
	switch {
	case err != nil && a.kind == dbclient.OpRead && errors.Is(err, route.ErrReturnedEnough):
		return apierror.New(apierror.EntityTooLarge, "the documents take more than the %d bytes that an answer may have: ask for less at a time", a.maxBytes)
	case err != nil && a.kind == dbclient.OpRead && (err.Num == apierror.ResourceLimit || err.Num == apierror.EntityTooLarge):
		return err // a server had no room for the documents
	case err != nil:
		return a.put(a.failures.Entry(document.Failure(a.collection, op.Key, result, err)))
	case a.kind == dbclient.OpRead:
		a.putRaw(result.New)
		return nil
	case a.silent:
		return nil
	}
	return a.put(document.MetaOf(a.collection, op, result))
}

func (a *arrayAnswer) put(v any) error {
	raw, err := rest.Encode(v)
	if err != nil {
		return err
	}
	a.putRaw(raw)
	return nil
}

// putRaw copies small entries: a piece of a few bytes takes more memory than it holds.
func (a *arrayAnswer) putRaw(raw json.RawMessage) {
	separator := ","
	if a.entries++; a.entries == 1 {
		separator = "["
	}
	_, _ = a.body.Write([]byte(separator)) // never fails, by its documentation
	if len(raw) > rest.PieceBytes {
		a.body.Add(raw)
		return
	}
	_, _ = a.body.Write(raw)
}

// send answers the call.
func (a *arrayAnswer) send(c *rest.Call) error {
	if codes := a.failures.Codes(); codes != "" {
		c.W.Header().Set("X-Arango-Error-Codes", codes)
	}
	status := statusOf(a.kind, a.synced)
	switch {
	case a.entries == 0 && a.silent:
		return c.Answer(status, struct{}{})
	case a.entries == 0:
		return c.Answer(status, []any{})
	}
	_, _ = a.body.Write([]byte("]"))
	return c.AnswerPieces(status, &a.body)
}
