package transaction

import (
	"context"
	"errors"

	"stasis/coordinator/catalog"
	"stasis/coordinator/route"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// access is a transaction's way to the shards of one collection.
type access struct {
	t          *Transaction
	database   string
	collection string // id
	whole      bool   // the collection is declared exclusive
}

// On returns the calls of the transaction to the shards of a collection: 1652 if it is not declared.
func (t *Transaction) On(coll *catalog.Collection, write bool) (route.Servers, error) {
	whole, err := t.spec.may(coll, write)
	if err != nil {
		return nil, err
	}
	if coll.WaitForSync && write {
		t.wantSync()
	}
	return access{t: t, database: coll.Database, collection: coll.ID, whole: whole}, nil
}

func (t *Transaction) wantSync() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sync = true
}

func (a access) at(shard string) dbclient.TxnShard {
	return dbclient.TxnShard{Database: a.database, Collection: a.collection, Shard: shard}
}

// Documents applies operations inside the transaction. That they are on disk is a matter of its commit.
func (a access) Documents(ctx context.Context, t dbclient.Target, shard string, r dbclient.DocumentsRequest) (answer dbclient.DocumentsResponse, err error) {
	size, write := int64(0), false
	for _, op := range r.Ops {
		if op.Kind != dbclient.OpRead {
			size, write = size+sizeOf(op), true
		}
	}
	if err := a.t.held.take(size); err != nil {
		return answer, err
	}
	if r.WaitForSync && write {
		a.t.wantSync()
	}
	r.WaitForSync, r.Whole = false, a.whole
	wrote := false
	err = a.request(ctx, t, shard, write, func(p *dbclient.TxnPart) (bool, error) {
		r.Transaction = p
		answer, err = a.t.m.o.Servers.Documents(ctx, t, shard, r)
		if err != nil {
			return false, err
		}
		for n, result := range answer.Results {
			if n >= len(r.Ops) || r.Ops[n].Kind == dbclient.OpRead {
				continue
			}
			if result.Error == nil {
				wrote = wrote || !result.Ignored
				size -= sizeOf(r.Ops[n])
			} else {
				answer.Results[n] = conflicting(r.Ops[n], result)
			}
		}
		return wrote, nil
	})
	a.t.held.give(size)
	answer.Synced = false
	return answer, err
}

// conflicting is the result of a write that has failed. If another transaction has locked the document, ArangoDB's error is a
// conflict, and drivers look for that: 18 is for the lock of a whole shard. A conflict with what another one has committed is no
// failed precondition, unless the client has given a revision.
func conflicting(op dbclient.Op, r dbclient.OpResult) dbclient.OpResult {
	switch {
	case r.Error.Num == apierror.LockTimeout:
		r.Error = &apierror.Error{Num: apierror.Conflict, Message: "write-write conflict: " + r.Error.Message, Cause: r.Error}
	case r.Error.Num == apierror.Conflict && op.IfMatch == "":
		r.Rev = ""
	}
	return r
}

func sizeOf(op dbclient.Op) int64 { return int64(len(op.Key) + len(op.Document)) }

// Scan reads a page: what is committed, and what the transaction has written.
func (a access) Scan(ctx context.Context, t dbclient.Target, shard string, r dbclient.ScanRequest) (answer dbclient.ScanResponse, err error) {
	err = a.request(ctx, t, shard, false, func(p *dbclient.TxnPart) (bool, error) {
		r.Transaction, r.Whole = p, a.whole
		answer, err = a.t.m.o.Servers.Scan(ctx, t, shard, r)
		return false, err
	})
	return answer, err
}

// Count counts as Scan reads.
func (a access) Count(ctx context.Context, t dbclient.Target, shard string, r dbclient.CountRequest) (answer dbclient.CountResponse, err error) {
	err = a.request(ctx, t, shard, false, func(p *dbclient.TxnPart) (bool, error) {
		r.Transaction, r.Whole = p, a.whole
		answer, err = a.t.m.o.Servers.Count(ctx, t, shard, r)
		return false, err
	})
	return answer, err
}

// Truncate removes all documents of a shard inside the transaction.
func (a access) Truncate(ctx context.Context, t dbclient.Target, shard string, r dbclient.TruncateRequest) error {
	if r.WaitForSync {
		a.t.wantSync()
	}
	return a.request(ctx, t, shard, true, func(p *dbclient.TxnPart) (bool, error) {
		err := a.t.m.o.Servers.Truncate(ctx, t, shard, dbclient.TruncateRequest{Transaction: p})
		return err == nil, err
	})
}

// Checksum is refused: it is of what is committed.
func (access) Checksum(context.Context, dbclient.Target, string, dbclient.ChecksumRequest) (dbclient.ChecksumResponse, error) {
	return dbclient.ChecksumResponse{}, apierror.New(apierror.TransactionDisallowed, "operation not allowed in transaction: a checksum is of what is committed: ask for it without the transaction's header")
}

// request makes one request to a shard. send says whether it has written.
func (a access) request(ctx context.Context, t dbclient.Target, shard string, write bool, send func(*dbclient.TxnPart) (bool, error)) error {
	at := a.at(shard)
	p, err := a.t.touch(ctx, t, at, write)
	if err != nil {
		return err
	}
	wrote, err := send(&p)
	if err == nil || refused(err) && !isGone(err) && !notDone(err) {
		a.t.held.touched(t, at, wrote)
		return err
	}
	return a.t.failed(ctx, at, write, err)
}

// failed is the error of a request that was not answered as asked. It aborts the transaction if the request must not be sent again:
// something of the transaction may be lost, or there in a way that nobody knows.
func (t *Transaction) failed(ctx context.Context, at dbclient.TxnShard, write bool, err error) error {
	switch {
	case isGone(err):
		return t.lose(ctx, err.Error())
	case notDone(err) && (!t.held.has(at) || failpoint.Off("lost-leader-aborts")):
		return t.gone(err) // the router looks for the leader
	case notDone(err) && !errors.Is(err, dbclient.ErrNotSent):
		return t.lose(ctx, "shard "+at.Shard+" has no leader any more that knows it: "+err.Error())
	case write && !errors.Is(err, dbclient.ErrNotSent) && !failpoint.Off("unknown-write-aborts"):
		return t.lose(ctx, "whether a write on shard "+at.Shard+" was done is unknown: "+err.Error())
	}
	return t.gone(err)
}
