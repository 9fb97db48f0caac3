package cursors

import (
	"context"

	"stasis/coordinator/route"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// identified is a transaction with an id.
type identified interface{ ID() dbclient.TxnID }

// transactionOf is the id of the transaction that a request is part of, 0 if it is part of none.
func transactionOf(ctx context.Context) uint64 {
	if t, ok := route.InTransaction(ctx).(identified); ok {
		return uint64(t.ID())
	}
	return 0
}

// within is the context in which a cursor reads its next batch: that of the transaction in which it was made. The request need not
// name it, but must not name another.
func (a *API) within(c *rest.Call, id dbclient.TxnID) (_ context.Context, leave func(), err error) {
	ctx := c.R.Context()
	switch joined := dbclient.TxnID(transactionOf(ctx)); {
	case joined == id:
		return ctx, func() {}, nil
	case joined != 0 && id == 0:
		return nil, nil, apierror.New(apierror.TransactionDisallowed, "the cursor was made outside of transaction %s, and reads what is outside of it: send the request without the header %s", joined, rest.TransactionHeader)
	case joined != 0:
		return nil, nil, apierror.New(apierror.TransactionDisallowed, "the cursor belongs to transaction %s, and not to %s", id, joined)
	}
	return a.Join(ctx, c.DB, id)
}
