package documents

import (
	"encoding/json"
	"errors"
	"net/http"

	"stasis/coordinator/catalog"
	"stasis/coordinator/document"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// API answers requests on documents. All fields are required.
type API struct {
	Catalog     *catalog.Catalog
	Router      Router
	AnswerBytes int64 // limit of the answer to an array
}

// Routes returns the paths that an API answers.
func (a *API) Routes() []rest.Route {
	const all, one = "/_api/document/{collection}", "/_api/document/{collection}/{key}"
	routes := []rest.Route{
		{Method: "POST", Pattern: all, Handler: a.insert},
		{Method: "GET", Pattern: one, Handler: a.read},
		{Method: "HEAD", Pattern: one, Handler: a.read},
		{Method: "PUT", Pattern: one, Handler: a.modify(dbclient.OpReplace)},
		{Method: "PATCH", Pattern: one, Handler: a.modify(dbclient.OpUpdate)},
		{Method: "DELETE", Pattern: one, Handler: a.remove},
		{Method: "PUT", Pattern: all, Handler: a.replaceOrReadArray},
		{Method: "PATCH", Pattern: all, Handler: func(c *rest.Call) error { return a.modifyArray(c, dbclient.OpUpdate) }},
		{Method: "DELETE", Pattern: all, Handler: func(c *rest.Call) error { return a.selectArray(c, dbclient.OpRemove) }},
	}
	for i := range routes {
		routes[i].Transaction = rest.Joins
	}
	return routes
}

// insert inserts one document or an array of them.
func (a *API) insert(c *rest.Call) error {
	q, err := newRequest(a.Catalog, c, c.Arg(0))
	if err != nil {
		return err
	}
	raw, err := c.JSON()
	if err != nil {
		return err
	}
	parse := func(item json.RawMessage) (document.Operation, error) { return q.rules.Insert(c.R.Context(), item) }
	if raw[0] == '[' {
		return q.answerArray(a.Router, a.AnswerBytes, dbclient.OpInsert, raw, parse)
	}
	if err := c.Account().Take(costOf(1, len(raw))); err != nil {
		return err
	}
	op, err := parse(raw)
	if errors.Is(err, apierror.AgencyFailed) {
		return err
	}
	b := q.newBatch()
	b.add(op, err)
	return q.answerWrite(a.Router, &b)
}

func (a *API) read(c *rest.Call) error {
	q, err := newRequest(a.Catalog, c, c.Arg(0))
	if err != nil {
		return err
	}
	b := q.newBatch()
	b.add(document.Operation{Op: dbclient.Op{Kind: dbclient.OpRead, Key: c.Arg(1), IfMatch: q.rules.IfMatch, IfNoneMatch: q.rules.IfNoneMatch}}, document.CheckKey(c.Arg(1)))
	result, _, err := q.apply(c.R.Context(), a.Router, &b)
	if err != nil {
		return err
	}
	q.setETag(result.Rev)
	if result.NotModified {
		c.W.WriteHeader(http.StatusNotModified)
		return nil
	}
	return c.Answer(http.StatusOK, result.New)
}

// modify replaces or updates one document.
func (a *API) modify(kind dbclient.OpKind) rest.Handler {
	return func(c *rest.Call) error {
		q, err := newRequest(a.Catalog, c, c.Arg(0))
		if err != nil {
			return err
		}
		raw, err := c.JSON()
		if err != nil {
			return err
		}
		if err := c.Account().Take(costOf(1, len(raw))); err != nil {
			return err
		}
		b := q.newBatch()
		b.add(q.rules.Modify(kind, c.Arg(1), raw))
		return q.answerWrite(a.Router, &b)
	}
}

func (a *API) remove(c *rest.Call) error {
	q, err := newRequest(a.Catalog, c, c.Arg(0))
	if err != nil {
		return err
	}
	b := q.newBatch()
	b.add(document.Operation{Op: dbclient.Op{Kind: dbclient.OpRemove, Key: c.Arg(1), IfMatch: q.rules.IfMatch}}, document.CheckKey(c.Arg(1)))
	return q.answerWrite(a.Router, &b)
}

func (a *API) replaceOrReadArray(c *rest.Call) error {
	onlyGet, err := c.Flag("onlyget", false)
	if err != nil {
		return err
	}
	if onlyGet {
		return a.selectArray(c, dbclient.OpRead)
	}
	return a.modifyArray(c, dbclient.OpReplace)
}

// modifyArray replaces or updates documents. Each item has the key of its document.
func (a *API) modifyArray(c *rest.Call, kind dbclient.OpKind) error {
	return a.array(c, kind, func(q *request, item json.RawMessage) (document.Operation, error) {
		return q.rules.Modify(kind, "", item)
	})
}

// selectArray reads or removes the documents that an array names.
func (a *API) selectArray(c *rest.Call, kind dbclient.OpKind) error {
	return a.array(c, kind, func(q *request, item json.RawMessage) (document.Operation, error) {
		return q.rules.Select(kind, item)
	})
}

func (a *API) array(c *rest.Call, kind dbclient.OpKind, parse func(*request, json.RawMessage) (document.Operation, error)) error {
	q, err := newRequest(a.Catalog, c, c.Arg(0))
	if err != nil {
		return err
	}
	q.rules.IfMatch = "" // the header is about one document
	raw, err := c.JSON()
	if err != nil {
		return err
	}
	if raw[0] != '[' {
		return apierror.New(apierror.BadParameter, "expecting a JSON array in the body")
	}
	if err := q.checkReplacements(kind, raw); err != nil {
		return err
	}
	return q.answerArray(a.Router, a.AnswerBytes, kind, raw, func(item json.RawMessage) (document.Operation, error) { return parse(q, item) })
}
