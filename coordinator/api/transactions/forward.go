package transactions

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"

	"stasis/coordinator/catalog"
	"stasis/coordinator/transaction"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// forwardedBy is the header that names the coordinator that has passed a request on. Such a request is not passed on again.
const forwardedBy = "X-Stasis-Forwarded-By"

// errFailed: only the coordinator that began a transaction knows its outcome, and that one has failed.
var errFailed = errors.New("this coordinator has FAILED")

// here does what a request asks for if this coordinator has begun the transaction. Otherwise it passes the request on.
func (a *API) here(c *rest.Call, id dbclient.TxnID, do rest.Handler) error {
	snap := a.Catalog.Cached()
	owner, ok := transaction.BeganAt(snap, id)
	if !ok { // the cache may be behind
		var err error
		if snap, err = a.Catalog.Sync(c.R.Context()); err != nil {
			return err
		}
		owner, ok = transaction.BeganAt(snap, id)
	}
	switch by := c.R.Header.Get(forwardedBy); {
	case !ok:
		return apierror.New(apierror.TransactionNotFound, "transaction %s not found: no coordinator of this cluster has begun it; if one has that was removed since, what was not committed is aborted", id)
	case owner == a.ID:
		return do(c)
	case by != "":
		return apierror.New(apierror.TransactionNotFound, "transaction %s not found: coordinator %s has passed the request on to %s, but %s has begun it", id, by, a.ID, owner)
	case snap.Failed(owner):
		return apierror.New(apierror.TransactionAborted, "transaction %s was begun by coordinator %s: unless its commit was asked for before, it is aborted: %w", id, owner, errFailed)
	}
	return a.forward(c, snap, owner, id)
}

// forward passes the request on, with all that it has, and the answer back.
func (a *API) forward(c *rest.Call, snap *catalog.Snapshot, owner string, id dbclient.TxnID) error {
	target, err := urlOf(snap, owner)
	if err != nil {
		return err
	}
	var connected atomic.Bool
	ctx, end := a.untilFailed(c.R.Context(), owner)
	defer end()
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	var failed error
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = target.Scheme, target.Host, target.Host
			r.Out.Header.Set(forwardedBy, a.ID)
			if id := r.In.Header.Get(rest.TransactionHeader); id != "" { // a client may have called it a header of its connection
				r.Out.Header.Set(rest.TransactionHeader, id)
			}
		},
		Transport:     a.HTTP.Transport,
		FlushInterval: -1,
		ErrorHandler:  func(_ http.ResponseWriter, _ *http.Request, err error) { failed = err },
	}
	header := c.W.Header()
	own := header.Clone()
	clear(header) // the other coordinator sets them
	proxy.ServeHTTP(c.W, c.R.WithContext(traced))
	if failed == nil {
		return nil
	}
	maps.Copy(header, own)
	if cause := context.Cause(ctx); cause != nil {
		failed = cause
	}
	switch {
	case !connected.Load() || c.R.Method == http.MethodGet || c.R.Method == http.MethodHead:
		return apierror.New(apierror.BackendUnavailable, "transaction %s was begun by coordinator %s, which cannot be reached: nothing was done, try again: %w", id, owner, failed).WithStatus(http.StatusServiceUnavailable)
	}
	e := apierror.New(apierror.ConnectionLost, "transaction %s was begun by coordinator %s, whose answer was lost: whether this was done is unknown: %w", id, owner, failed)
	e.Extra = map[string]any{apierror.Outcome: apierror.OutcomeUnknown}
	return e
}

// untilFailed is a context that ends when a coordinator has FAILED: one that is stopped would keep a request for ever. end must be
// called.
func (a *API) untilFailed(ctx context.Context, coordinator string) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		if _, err := a.Catalog.Await(ctx, func(now *catalog.Snapshot) bool { return now.Failed(coordinator) }); err == nil {
			cancel(errSilent)
		}
	})
	return ctx, func() {
		cancel(nil)
		watching.Wait()
	}
}

// errSilent ends a request to a coordinator that has FAILED meanwhile.
var errSilent = errors.New("it has FAILED and has not answered")

var errNoAddress = errors.New("it is not registered")

func urlOf(snap *catalog.Snapshot, coordinator string) (*url.URL, error) {
	text, ok := snap.URL(coordinator)
	target, err := url.Parse(text)
	if err == nil && !ok {
		err = errNoAddress
	}
	if err != nil {
		return nil, apierror.New(apierror.BackendUnavailable, "coordinator %s cannot be reached: %w", coordinator, err).WithStatus(http.StatusServiceUnavailable)
	}
	return target, nil
}
