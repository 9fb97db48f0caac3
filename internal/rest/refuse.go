package rest

import "stasis/internal/apierror"

// transactionNotFound is the number for a stream transaction that does not exist.
const transactionNotFound apierror.Num = 1655

// InSystem makes a handler that works in the database _system only. In others it answers
// 403/1230.
func InSystem(h Handler) Handler {
	return func(c *Call) error {
		if c.DB != SystemDatabase {
			return apierror.New(apierror.UseSystemDatabase, "operation only allowed in system database")
		}
		return h(c)
	}
}

// WithoutTransaction makes a handler that refuses requests that are part of a stream
// transaction. To do their work outside of the transaction would be wrong.
func WithoutTransaction(h Handler) Handler {
	return func(c *Call) error {
		if id := c.R.Header.Get("X-Arango-Trx-Id"); id != "" {
			return apierror.New(transactionNotFound, "transaction %q not found: stream transactions are not supported by this version", id)
		}
		return h(c)
	}
}

// NotSupported is the handler of what clients may ask for and this version lacks. what is a
// subject with its verb: "queries are".
func NotSupported(what string) Handler {
	return func(*Call) error {
		return apierror.New(apierror.NotImplemented, "%s not supported by this version", what)
	}
}
