package transactions

import (
	"context"
	"errors"
	"net/http"

	"stasis/coordinator/transaction"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// Routes returns the paths that an API answers.
func (a *API) Routes() []rest.Route {
	const all, one = "/_api/transaction", "/_api/transaction/{id}"
	routes := []rest.Route{
		{Method: "POST", Pattern: all, Handler: rest.NotSupported("JavaScript transactions are")},
		{Method: "POST", Pattern: all + "/begin", Handler: a.begin},
		{Method: "GET", Pattern: all, Handler: a.list},
		{Method: "DELETE", Pattern: all + "/write", Handler: a.abortWrites},
		{Method: "GET", Pattern: one, Handler: a.one(http.StatusOK, func(_ context.Context, db string, id dbclient.TxnID) (transaction.Status, error) {
			return a.Transactions.Status(db, id)
		})},
		{Method: "PUT", Pattern: one, Handler: a.one(http.StatusOK, a.Transactions.Commit)},
		{Method: "DELETE", Pattern: one, Handler: a.one(http.StatusOK, a.Transactions.Abort)},
	}
	for i := range routes {
		routes[i].Transaction = rest.Aside
	}
	return routes
}

// begin answers POST /_api/transaction/begin.
func (a *API) begin(c *rest.Call) error {
	if id := c.R.Header.Get(rest.TransactionHeader); id != "" {
		return apierror.New(apierror.TransactionNested, "nested transactions are not supported: the request is part of transaction %.40q: send it without the header %s", id, rest.TransactionHeader)
	}
	var body beginBody
	if err := c.Object(&body); err != nil {
		return err
	}
	spec, err := body.spec(c.DB)
	if err != nil {
		return err
	}
	s, err := a.Transactions.Begin(c.R.Context(), spec)
	if err != nil {
		return err
	}
	return answer(c, http.StatusCreated, s)
}

// one makes the handler of a request on one transaction.
func (a *API) one(status int, do func(ctx context.Context, db string, id dbclient.TxnID) (transaction.Status, error)) rest.Handler {
	return func(c *rest.Call) error {
		id, err := transaction.ParseID(c.Arg(0))
		if err != nil {
			return err
		}
		err = a.here(c, id, func(c *rest.Call) error {
			s, err := do(c.R.Context(), c.DB, id)
			if err != nil {
				return err
			}
			return answer(c, status, s)
		})
		if errors.Is(err, errFailed) { // who asks for the end of a transaction may have asked for its commit before
			return apierror.With(apierror.New(apierror.TransactionNotFound, "%w", err), apierror.Outcome, apierror.OutcomeUnknown)
		}
		return err
	}
}

func answer(c *rest.Call, status int, s transaction.Status) error {
	f := rest.Fields{"id": s.ID.String(), "status": s.State}
	if s.Why != "" {
		f["reason"] = s.Why // ours
	}
	return c.Result(status, f)
}

// Join has a handler do its work in the transaction with this id.
func (a *API) Join(c *rest.Call, id string, h rest.Handler) error {
	txn, err := transaction.ParseID(id)
	if err != nil {
		return err
	}
	return a.here(c, txn, func(c *rest.Call) error {
		ctx, leave, err := a.Transactions.Join(c.R.Context(), c.DB, txn)
		if err != nil {
			return err
		}
		defer leave()
		c.R = c.R.WithContext(ctx)
		return h(c)
	})
}
