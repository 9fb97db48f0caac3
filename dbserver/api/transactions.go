package api

import (
	"context"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/pieces"
	"stasis/dbserver/store"
	"stasis/dbserver/transaction"
)

// transactions answers what coordinators, and the shards of other servers, ask of parts of transactions.
type transactions struct {
	ledger *transaction.Ledger
	reader *pieces.Reader
}

func (x transactions) open(_ context.Context, s *store.Store, q Request[dbclient.TxnOpenRequest]) (dbclient.TxnOpenResponse, error) {
	return x.ledger.Open(s, q.Body)
}

func (x transactions) keep(_ context.Context, s *store.Store, q Request[dbclient.TxnKeepRequest]) (dbclient.TxnKeepResponse, error) {
	return x.ledger.Keep(s, q.Body), nil
}

func (x transactions) enter(ctx context.Context, s *store.Store, q Request[dbclient.TxnEnterRequest]) (nothing, error) {
	if !q.Named {
		return nothing{}, errUnnamed
	}
	return nothing{}, x.ledger.Enter(ctx, s, q.Body, q.Until)
}

func (x transactions) leave(ctx context.Context, s *store.Store, q Request[dbclient.TxnPart]) (nothing, error) {
	return nothing{}, x.ledger.Leave(ctx, s, q.Body)
}

func (x transactions) end(ctx context.Context, s *store.Store, q Request[dbclient.TxnEndRequest]) (nothing, error) {
	return nothing{}, x.ledger.End(ctx, s, q.Body)
}

// abort is for the backup that holds the agency lock and for no other.
func (x transactions) abort(ctx context.Context, _ *store.Store, q Request[dbclient.TxnAbortRequest]) (dbclient.TxnAbortResponse, error) {
	if err := x.reader.UnderLock(ctx, q.Body.Backup, q.Body.Nonce); err != nil {
		return dbclient.TxnAbortResponse{}, err
	}
	return x.ledger.AbortOpen(q.Body), nil
}

func (x transactions) prepare(ctx context.Context, s *store.Store, q Request[dbclient.TxnPrepareRequest]) (nothing, error) {
	if !q.Named {
		return nothing{}, errUnnamed
	}
	return nothing{}, x.ledger.Prepare(ctx, s, q.Shard, q.Body)
}

func (x transactions) decide(ctx context.Context, s *store.Store, q Request[dbclient.TxnDecideRequest]) (nothing, error) {
	if !q.Named {
		return nothing{}, errUnnamed
	}
	return nothing{}, x.ledger.Decide(ctx, s, q.Shard, q.Body, q.Until)
}

func (x transactions) resolve(ctx context.Context, s *store.Store, q Request[dbclient.TxnResolveRequest]) (nothing, error) {
	if !q.Named {
		return nothing{}, errUnnamed
	}
	return nothing{}, x.ledger.Resolve(ctx, s, q.Shard, q.Body)
}

func (x transactions) ask(ctx context.Context, s *store.Store, q Request[dbclient.TxnAskRequest]) (dbclient.TxnAskResponse, error) {
	return x.ledger.Ask(ctx, s, q.Shard, q.Body)
}

func (x transactions) forget(_ context.Context, s *store.Store, q Request[dbclient.TxnForgetRequest]) (nothing, error) {
	return nothing{}, x.ledger.Forget(s, q.Body)
}
