package coordinator

import (
	"context"
	"encoding/json"
	"errors"

	"stasis/coordinator/document"
	"stasis/coordinator/route"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// The items of an array are worked off in parts of so many, or so many bytes of documents:
// beside the request and the answer, that is what one request has in memory.
const (
	partItems = 10_000
	partBytes = 16 << 20
)

// entryCost is about what an entry of the answer has in bytes, beside the collection's name.
const entryCost = 128

// itemParser makes an operation of an item. Generated says that its key was made here.
type itemParser func(item json.RawMessage) (op dbclient.Op, generated bool, err error)

// many is a request on an array of documents. Its operations are those of one part.
type many struct {
	*work
	kind  dbclient.OpKind
	bytes int // of the documents in ops

	begun    bool // a part has been sent
	left     route.Bounds
	over     error // why no more is sent
	synced   bool
	failures document.Failures
	entries  int
	answer   rest.Pieces
	paid     int // bytes of the answer that the request's account has
}

// answerMany does what the items of an array ask for and answers with one entry for each;
// only with the errors, or {}, if the client wants it silent. An array whose answer would
// be too large is refused before anything is done.
func (w *work) answerMany(kind dbclient.OpKind, array json.RawMessage, parse itemParser) error {
	items := document.CountItems(array)
	if err := document.CheckAnswer(items, len(array), w.coll.Name, w.api.limits.AnswerBytes); err != nil {
		return err
	}
	m := &many{work: w, kind: kind, synced: true, left: route.Bounds{Failed: route.Failed{}}, paid: items * (entryCost + len(w.coll.Name))}
	if err := w.call.Account().Take(costOf(int64(min(items, partItems)), min(len(array), partBytes)) + int64(m.paid)); err != nil {
		return err
	}
	ctx := w.call.R.Context()
	for item := range document.Items(array) {
		if err := m.take(ctx, parse, item); err != nil {
			return err
		}
	}
	if err := m.flush(ctx); err != nil {
		return err
	}
	return m.finish()
}

// take adds an item to the part. Its error ends the request, of which nothing is done.
func (m *many) take(ctx context.Context, parse itemParser, item json.RawMessage) error {
	if m.over != nil {
		return m.entry(dbclient.Op{}, dbclient.OpResult{}, notDone(m.over))
	}
	op, generated, err := parse(item)
	if errors.Is(err, apierror.AgencyFailed) { // no key could be had, nor will be
		if !m.begun {
			return err
		}
		if ferr := m.flush(ctx); ferr != nil {
			return ferr
		}
		m.over = err
		return m.entry(op, dbclient.OpResult{}, notDone(m.over))
	}
	m.pinned = m.pinned || generated
	m.add(op, err)
	if m.bytes += len(op.Document); len(m.ops) < partItems && m.bytes < partBytes {
		return nil
	}
	return m.flush(ctx)
}

// notDone is the error of an item after the one that ended the request.
func notDone(why error) *apierror.Error {
	e := apierror.From(why)
	return &apierror.Error{Num: e.Num, Message: "not done: " + e.Message, Cause: why}
}

// flush does the part and puts its entries into the answer.
func (m *many) flush(ctx context.Context) error {
	if len(m.ops) == 0 && m.begun {
		return nil
	}
	if m.left.Returned = m.api.limits.AnswerBytes - int64(m.answer.Len()); m.left.Returned <= 0 {
		m.left.Returned = -1
	}
	held := m.call.Account().Held()
	results, synced, err := m.runWithin(ctx, m.left)
	if err != nil && !m.begun {
		return err
	}
	if err != nil {
		m.over, results = err, make([]dbclient.OpResult, len(m.ops))
		for i := range m.errs {
			m.errs[i] = notDone(err)
		}
	}
	m.begun, m.synced = true, m.synced && synced
	for i, result := range results {
		if err := m.entry(m.ops[i], result, m.errs[i]); err != nil {
			return err
		}
	}
	m.ops, m.errs, m.bytes, m.pinned = m.ops[:0], m.errs[:0], 0, false
	clear(m.ops[:cap(m.ops)]) // their documents are no longer needed
	m.settle(held)
	return nil
}

// settle gives back what the part's results held, and counts what the answer has of them.
func (m *many) settle(held int64) {
	account := m.call.Account()
	account.Give(account.Held() - held)
	if more := m.answer.Len() - m.paid; more > 0 {
		account.Owe(int64(more))
		m.paid += more
	}
}

// entry puts what became of an item into the answer. Its error ends the request: reads have
// no other effect than their answer.
func (m *many) entry(op dbclient.Op, result dbclient.OpResult, err *apierror.Error) error {
	switch {
	case err != nil && m.kind == dbclient.OpRead && errors.Is(err, route.ErrReturnedEnough):
		return apierror.New(apierror.EntityTooLarge, "the documents take more than the %d bytes that an answer may have: ask for less at a time", m.api.limits.AnswerBytes)
	case err != nil && m.kind == dbclient.OpRead && (err.Num == apierror.ResourceLimit || err.Num == apierror.EntityTooLarge):
		return err // a server had no room for the documents
	case err != nil:
		return m.put(m.failures.Entry(document.Failure(m.coll.Name, op.Key, result, err)))
	case m.kind == dbclient.OpRead:
		m.putRaw(result.New)
		return nil
	case m.silent:
		return nil
	}
	return m.put(document.MetaOf(m.coll.Name, op, result))
}

func (m *many) put(v any) error {
	raw, err := rest.Encode(v)
	if err != nil {
		return err
	}
	m.putRaw(raw)
	return nil
}

// putRaw copies what is small: pieces of a few bytes take more than they hold.
func (m *many) putRaw(raw json.RawMessage) {
	separator := ","
	if m.entries++; m.entries == 1 {
		separator = "["
	}
	_, _ = m.answer.Write([]byte(separator)) // does not fail, by its documentation
	if len(raw) > rest.PieceBytes {
		m.answer.Add(raw)
		return
	}
	_, _ = m.answer.Write(raw)
}

func (m *many) finish() error {
	if codes := m.failures.Codes(); codes != "" {
		m.call.W.Header().Set("X-Arango-Error-Codes", codes)
	}
	status := statusOf(m.kind, m.synced)
	switch {
	case m.entries == 0 && m.silent:
		return m.call.Answer(status, struct{}{})
	case m.entries == 0:
		return m.call.Answer(status, []any{})
	}
	_, _ = m.answer.Write([]byte("]"))
	return m.call.AnswerPieces(status, &m.answer)
}
