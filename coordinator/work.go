package coordinator

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"stasis/coordinator/catalog"
	"stasis/coordinator/document"
	"stasis/coordinator/route"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// work is a request on documents under way: its options, and its operations with
// the errors of those that are none.
type work struct {
	api   *api
	call  *rest.Call
	view  *catalog.Snapshot
	coll  *catalog.Collection
	rules document.Rules

	waitForSync, returnNew, returnOld, silent bool

	ops    []dbclient.Op
	errs   []*apierror.Error // by operation
	pinned bool
}

// newWork reads the collection and the options of a request.
func (a *api) newWork(c *rest.Call) (*work, error) {
	snap, coll, err := a.collection(c, c.Arg(0))
	if err != nil {
		return nil, err
	}
	w := &work{api: a, call: c, view: snap, coll: coll}
	keepNull, mergeObjects, ignoreRevs := true, true, true
	for name, into := range map[string]*bool{
		"waitForSync": &w.waitForSync, "returnNew": &w.returnNew, "returnOld": &w.returnOld, "silent": &w.silent,
		"keepNull": &keepNull, "mergeObjects": &mergeObjects, "ignoreRevs": &ignoreRevs,
	} {
		if *into, err = c.Flag(name, *into); err != nil {
			return nil, err
		}
	}
	w.waitForSync = w.waitForSync || coll.WaitForSync
	w.rules = document.Rules{
		Collection: coll.Name, Edges: coll.Type == catalog.TypeEdge, DenyUserKeys: !coll.KeyOptions.AllowUserKeys, NewKey: a.newKey(snap),
		DropNulls: !keepNull, ReplaceNested: !mergeObjects, MatchRevs: !ignoreRevs,
		IfMatch: document.Revision(c.R.Header.Get("If-Match")), IfNoneMatch: document.Revision(c.R.Header.Get("If-None-Match")),
	}
	w.rules.OverwriteMode, err = overwriteMode(c)
	return w, err
}

func overwriteMode(c *rest.Call) (dbclient.OverwriteMode, error) {
	overwrite, err := c.Flag("overwrite", false)
	if err != nil {
		return "", err
	}
	switch mode := dbclient.OverwriteMode(strings.ToLower(c.Query.Get("overwriteMode"))); {
	case mode == "" && overwrite:
		return dbclient.OverwriteReplace, nil
	case mode == "", mode == dbclient.OverwriteConflict, mode == dbclient.OverwriteIgnore, mode == dbclient.OverwriteReplace, mode == dbclient.OverwriteUpdate:
		return mode, nil
	default:
		return "", apierror.New(apierror.BadParameter, "overwriteMode %q is unknown: conflict, ignore, replace or update", mode)
	}
}

func (w *work) add(op dbclient.Op, err error) {
	var e *apierror.Error
	if err != nil {
		e = apierror.From(err)
	}
	w.ops, w.errs = append(w.ops, op), append(w.errs, e)
}

// run applies the operations that are some, and gives a result for each of all;
// errs has the errors of the others too. It says whether what was asked to be synced is.
func (w *work) run(ctx context.Context) ([]dbclient.OpResult, bool, error) {
	return w.runWithin(ctx, route.Bounds{})
}

// runWithin is run, within what the parts of the request before this one have left.
func (w *work) runWithin(ctx context.Context, bounds route.Bounds) ([]dbclient.OpResult, bool, error) {
	var send []dbclient.Op
	var places []int
	for i, op := range w.ops {
		if w.errs[i] == nil {
			send, places = append(send, op), append(places, i)
		}
	}
	out, err := w.api.router.Documents(ctx, route.Request{
		Ref: route.Ref{Database: w.call.DB, Name: w.call.Arg(0)}, View: w.view, Collection: w.coll,
		Ops: send, Bounds: bounds, Pinned: w.pinned, WaitForSync: w.waitForSync, ReturnOld: w.returnOld && !w.silent, ReturnNew: w.returnNew && !w.silent,
	})
	if err != nil {
		return nil, false, err
	}
	results := make([]dbclient.OpResult, len(w.ops))
	for n, i := range places {
		results[i], w.errs[i] = out.Results[n], out.Results[n].Error
	}
	return results, out.Synced && w.waitForSync, nil
}

// runOne runs the only operation; its error is the request's.
func (w *work) runOne(ctx context.Context) (dbclient.OpResult, bool, error) {
	if w.errs[0] != nil {
		return dbclient.OpResult{}, false, w.errs[0]
	}
	results, synced, err := w.run(ctx)
	if err != nil {
		return dbclient.OpResult{}, false, err
	}
	if w.errs[0] != nil {
		e := document.Failure(w.coll.Name, w.ops[0].Key, results[0], w.errs[0])
		if rev, ok := e.Extra["_rev"].(string); ok {
			w.setETag(rev)
		}
		return results[0], false, e
	}
	return results[0], synced, nil
}

func (w *work) setETag(rev string) { w.call.W.Header().Set("Etag", `"`+rev+`"`) }

// statusOf is the status of an answer: whether all of it is on disk.
func statusOf(kind dbclient.OpKind, synced bool) int {
	switch {
	case kind == dbclient.OpRead, kind == dbclient.OpRemove && synced:
		return http.StatusOK
	case synced:
		return http.StatusCreated
	}
	return http.StatusAccepted
}

// answerOne runs a single write and answers.
func (w *work) answerOne() error {
	result, synced, err := w.runOne(w.call.R.Context())
	if err != nil {
		return err
	}
	op := w.ops[0]
	meta := document.MetaOf(w.coll.Name, op, result)
	w.setETag(meta.Rev)
	if op.Kind != dbclient.OpRemove {
		w.call.W.Header().Set("Location", "/_db/"+w.call.DB+"/_api/document/"+w.coll.Name+"/"+url.PathEscape(meta.Key))
	}
	status := statusOf(op.Kind, synced)
	if w.silent {
		return w.call.Answer(status, struct{}{})
	}
	return w.call.Answer(status, meta)
}

// What the documents of a request hold on their way to the shards and back, beside the
// text that the client sent. The attacks of integration/memory_test.go show that it is enough.
const (
	costOfDocument = 1 << 10 // each: its operation, result and entry in the answer
	costOfByte     = 5       // of text: copies of it on the way
)

func costOf(documents int64, bytes int) int64 {
	return costOfDocument*documents + costOfByte*int64(bytes)
}
