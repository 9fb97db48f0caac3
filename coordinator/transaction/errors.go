package transaction

import (
	"errors"
	"fmt"
	"net/http"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// errAborted ends the requests of a transaction that is aborted.
var errAborted = errors.New("the transaction is aborted")

func isGone(err error) bool { return errors.Is(err, apierror.TxnGone) }

// notDone says that the server has certainly done nothing, and that another leader of the shard may.
func notDone(err error) bool {
	for _, n := range []apierror.Num{apierror.ShardGone, apierror.NotLeader, apierror.NoLeader, apierror.WrongEpoch, apierror.StartingUp, apierror.ShuttingDown} {
		if errors.Is(err, n) {
			return true
		}
	}
	return errors.Is(err, dbclient.ErrNotSent)
}

// refused says that the server has answered, and has done nothing of what was asked. The transaction goes on.
func refused(err error) bool {
	for _, n := range []apierror.Num{apierror.LockTimeout, apierror.Deadlock, apierror.ResourceLimit, apierror.GateClosed, apierror.NotImplemented} {
		if errors.Is(err, n) {
			return true
		}
	}
	return apierror.From(err).Status() < http.StatusInternalServerError
}

// unsent makes the error of a request that was not made of that of another one before it.
func unsent(what string, err error) error {
	if errors.Is(err, apierror.ConnectionLost) {
		return apierror.New(apierror.ConnectionLost, "%w: %s: %w", dbclient.ErrNotSent, what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

func notFound(id dbclient.TxnID, why string) error {
	return apierror.New(apierror.TransactionNotFound, "transaction %s not found: %s", id, why)
}
