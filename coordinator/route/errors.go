package route

import (
	"errors"
	"net/http"

	"stasis/coordinator/catalog"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// notApplied says that the server has certainly applied nothing, and that a newer snapshot may
// lead to a server that does.
func notApplied(err error) bool {
	for _, n := range []apierror.Num{apierror.ShardGone, apierror.NotLeader, apierror.NoLeader, apierror.WrongEpoch, apierror.StartingUp, apierror.ShuttingDown} {
		if errors.Is(err, n) {
			return true
		}
	}
	return errors.Is(err, dbclient.ErrNotSent)
}

// retriable says whether a request that failed may be sent again.
func retriable(err error, write bool) bool {
	return notApplied(err) || !write && errors.Is(err, apierror.ConnectionLost)
}

// weight says which error of several shards the client gets: one after which a write may have been done rather than one
// that says that nothing was, and the latter rather than one after which the request may be sent again.
func weight(err error, write bool) int {
	switch {
	case notApplied(err):
		return 0
	case !write || failpoint.Off("unknown-weighs-most") || apierror.From(err).Status() < http.StatusInternalServerError || errors.Is(err, apierror.GateClosed):
		return 1
	}
	return 2
}

// forClient returns the error that a client gets for the error of a DB server.
func forClient(err error, write bool) *apierror.Error {
	switch {
	case errors.Is(err, apierror.ConnectionLost) && write && !errors.Is(err, dbclient.ErrNotSent):
		return apierror.New(apierror.ConnectionLost, "the answer was lost, so the outcome is unknown: it may have been applied or not: %w", err)
	case notApplied(err), errors.Is(err, apierror.ConnectionLost):
		e := apierror.New(numFor(err), "nothing was applied, try again: %w", err)
		if !write {
			e = apierror.New(numFor(err), "%w", err)
		}
		return e.WithStatus(http.StatusServiceUnavailable)
	}
	return apierror.From(err)
}

// numFor hides internal numbers from clients.
func numFor(err error) apierror.Num {
	if n := apierror.From(err).Num; n != apierror.WrongEpoch && n != apierror.ShardGone {
		return n
	}
	return apierror.BackendUnavailable
}

// epochOver is the answer to a request that belongs to the data before a restore.
func epochOver() error {
	return apierror.New(apierror.BackendUnavailable, "nothing was applied, try again: the cluster was restored meanwhile").WithStatus(http.StatusServiceUnavailable)
}

// replaced is why a shard is not responsible any more.
const replaced = "it was dropped and created again meanwhile; nothing was applied, try again"

// noShard says that no shard is responsible for a document. Nothing was applied.
func noShard(coll *catalog.Collection, why string) error {
	return apierror.New(apierror.ShardGone, "no responsible shard found in collection %s: %s", coll.Name, why)
}

// unasked is the error of an operation whose document is on no shard that has answered, if err was the answer of another.
// Nothing was applied: to look for a document changes nothing.
func unasked(shard string, err error, write bool) *apierror.Error {
	e := forClient(err, false)
	if !write {
		return e
	}
	num := e.Num
	if num == apierror.ConnectionLost { // which says of a write that its outcome is unknown
		num = apierror.BackendUnavailable
	}
	return apierror.New(num, "nothing was applied, try again: whether shard %s has the document is not known: %w", shard, e).WithStatus(e.Status())
}

func readError(err error) error {
	if err == nil {
		return nil
	}
	return forClient(err, false)
}

// partial is the error of a call when so many of all shards have done it.
func partial(err error, write bool, done, all int) error {
	e := forClient(err, write)
	if !write || done == 0 {
		return e
	}
	part := apierror.New(e.Num, "done on %d of %d shards; on another: %w", done, all, e).WithStatus(e.Status())
	part.Extra = map[string]any{apierror.Outcome: apierror.OutcomeUnknown} // the number may say that nothing was done
	return part
}

// notSent refuses an operation because of one before it.
func notSent(why string) *apierror.Error {
	return apierror.New(apierror.BackendUnavailable, "not sent, because %s before it failed", why).WithStatus(http.StatusServiceUnavailable)
}
