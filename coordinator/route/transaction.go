package route

import (
	"context"
	"time"

	"stasis/coordinator/catalog"
)

// Transaction is what a Router needs to know about a stream transaction.
type Transaction interface {
	// On returns the calls of the transaction to the shards of a collection, or an error if the transaction may not do that
	// with it. Their errors are such that a request that must not be sent again is not: it has ended the transaction.
	On(coll *catalog.Collection, write bool) (Servers, error)
	// LockWait is how long one request may wait for locks, beside the time that any request has.
	LockWait() time.Duration
}

type transactionKey struct{}

// WithTransaction makes the requests that are sent with the context part of a transaction.
func WithTransaction(ctx context.Context, t Transaction) context.Context {
	return context.WithValue(ctx, transactionKey{}, t)
}

// InTransaction returns the transaction of a context; nil: there is none.
func InTransaction(ctx context.Context) Transaction {
	t, _ := ctx.Value(transactionKey{}).(Transaction)
	return t
}

// servers are those to which requests on a collection are sent.
func (r *Router) servers(ctx context.Context, coll *catalog.Collection, write bool) (Servers, error) {
	if t := InTransaction(ctx); t != nil {
		return t.On(coll, write)
	}
	return r.Servers, nil
}

// longest is how long one request may take.
func (r *Router) longest(ctx context.Context) time.Duration {
	if t := InTransaction(ctx); t != nil {
		return r.Attempt + t.LockWait()
	}
	return r.Attempt
}
