package rest

import (
	"net/http"

	"stasis/internal/apierror"
)

// TransactionHeader names the stream transaction that a request is part of.
const TransactionHeader = "X-Arango-Trx-Id"

// TransactionUse says what becomes of a request whose header names a stream transaction.
type TransactionUse int

const (
	// ReadsOnly is a request that has nothing to do with documents. One that reads is answered as without the header. One that
	// changes something is refused: the change would stay although the transaction is aborted.
	ReadsOnly TransactionUse = iota
	Joins                    // its work is part of the transaction
	Aside                    // it reads the header itself, or changes nothing that could be part of a transaction
)

// handle calls the handler of a route, in the transaction of the request if it names one.
func (m *Mux) handle(route Route, c *Call) error {
	id := c.R.Header.Get(TransactionHeader)
	if id == "" || m.o.Join == nil || route.Transaction == Aside {
		return route.Handler(c)
	}
	if route.Transaction == Joins {
		return m.o.Join(c, id, route.Handler)
	}
	if method := methodOf(c.R); method != http.MethodGet && method != http.MethodHead {
		return apierror.New(apierror.TransactionDisallowed,
			"operation not allowed in transaction %.40q: only operations on documents and collections' contents can be part of one: send it without the header %s", id, TransactionHeader)
	}
	return route.Handler(c)
}
