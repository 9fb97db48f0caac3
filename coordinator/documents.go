package coordinator

import (
	"encoding/json"
	"errors"
	"net/http"

	"stasis/coordinator/document"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

func (a *api) documentRoutes() []rest.Route {
	const all, one = "/_api/document/{collection}", "/_api/document/{collection}/{key}"
	routes := []rest.Route{
		{Method: "POST", Pattern: all, Handler: a.insertDocuments},
		{Method: "GET", Pattern: one, Handler: a.readDocument},
		{Method: "HEAD", Pattern: one, Handler: a.readDocument},
		{Method: "PUT", Pattern: one, Handler: a.modifyDocument(dbclient.OpReplace)},
		{Method: "PATCH", Pattern: one, Handler: a.modifyDocument(dbclient.OpUpdate)},
		{Method: "DELETE", Pattern: one, Handler: a.removeDocument},
		{Method: "PUT", Pattern: all, Handler: a.replaceOrReadDocuments},
		{Method: "PATCH", Pattern: all, Handler: func(c *rest.Call) error { return a.modifyDocuments(c, dbclient.OpUpdate) }},
		{Method: "DELETE", Pattern: all, Handler: func(c *rest.Call) error { return a.selectDocuments(c, dbclient.OpRemove) }},
	}
	for i := range routes {
		routes[i].Handler = refuseTransaction(routes[i].Handler)
	}
	return routes
}

func (a *api) insertDocuments(c *rest.Call) error {
	w, err := a.newWork(c)
	if err != nil {
		return err
	}
	raw, err := c.JSON()
	if err != nil {
		return err
	}
	insert := func(item json.RawMessage) (dbclient.Op, bool, error) { return w.rules.Insert(c.R.Context(), item) }
	if raw[0] == '[' {
		return w.answerMany(dbclient.OpInsert, raw, insert)
	}
	if err := c.Account().Take(costOf(1, len(raw))); err != nil {
		return err
	}
	op, generated, err := insert(raw)
	if errors.Is(err, apierror.AgencyFailed) {
		return err
	}
	w.pinned = generated
	w.add(op, err)
	return w.answerOne()
}

func (a *api) readDocument(c *rest.Call) error {
	w, err := a.newWork(c)
	if err != nil {
		return err
	}
	w.add(dbclient.Op{Kind: dbclient.OpRead, Key: c.Arg(1), IfMatch: w.rules.IfMatch, IfNoneMatch: w.rules.IfNoneMatch}, document.CheckKey(c.Arg(1)))
	result, _, err := w.runOne(c.R.Context())
	if err != nil {
		return err
	}
	w.setETag(result.Rev)
	if result.NotModified {
		c.W.WriteHeader(http.StatusNotModified)
		return nil
	}
	return c.Answer(http.StatusOK, result.New)
}

func (a *api) modifyDocument(kind dbclient.OpKind) rest.Handler {
	return func(c *rest.Call) error {
		w, err := a.newWork(c)
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
		op, err := w.rules.Modify(kind, c.Arg(1), raw)
		w.add(op, err)
		return w.answerOne()
	}
}

func (a *api) removeDocument(c *rest.Call) error {
	w, err := a.newWork(c)
	if err != nil {
		return err
	}
	w.add(dbclient.Op{Kind: dbclient.OpRemove, Key: c.Arg(1), IfMatch: w.rules.IfMatch}, document.CheckKey(c.Arg(1)))
	return w.answerOne()
}

func (a *api) replaceOrReadDocuments(c *rest.Call) error {
	onlyGet, err := c.Flag("onlyget", false)
	if err != nil {
		return err
	}
	if onlyGet {
		return a.selectDocuments(c, dbclient.OpRead)
	}
	return a.modifyDocuments(c, dbclient.OpReplace)
}

func (a *api) modifyDocuments(c *rest.Call, kind dbclient.OpKind) error {
	return a.forEach(c, kind, func(w *work, item json.RawMessage) (dbclient.Op, error) {
		return w.rules.Modify(kind, "", item)
	})
}

// selectDocuments reads or removes the documents that an array names.
func (a *api) selectDocuments(c *rest.Call, kind dbclient.OpKind) error {
	return a.forEach(c, kind, func(w *work, item json.RawMessage) (dbclient.Op, error) {
		return w.rules.Select(kind, item)
	})
}

func (a *api) forEach(c *rest.Call, kind dbclient.OpKind, parse func(*work, json.RawMessage) (dbclient.Op, error)) error {
	w, err := a.newWork(c)
	if err != nil {
		return err
	}
	w.rules.IfMatch = "" // a header speaks of one document
	raw, err := c.JSON()
	if err != nil {
		return err
	}
	if raw[0] != '[' {
		return apierror.New(apierror.BadParameter, "expecting a JSON array in the body")
	}
	return w.answerMany(kind, raw, func(item json.RawMessage) (dbclient.Op, bool, error) {
		op, err := parse(w, item)
		return op, false, err
	})
}
