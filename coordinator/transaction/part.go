package transaction

import (
	"context"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// touch finds the part for a request to a shard, and opens it if there is none. What cannot belong to the transaction any more
// aborts it.
func (t *Transaction) touch(ctx context.Context, to dbclient.Target, at dbclient.TxnShard, write bool) (dbclient.TxnPart, error) {
	if to.Epoch != t.epoch {
		return dbclient.TxnPart{}, t.lose(ctx, "the cluster was restored meanwhile")
	}
	p, moved := t.held.partOn(to, at)
	if moved != "" && !failpoint.Off("no-other-leader-in-a-transaction") {
		return dbclient.TxnPart{}, t.lose(ctx, moved)
	}
	select {
	case p.opening <- struct{}{}:
	case <-ctx.Done():
		return dbclient.TxnPart{}, t.gone(unsent("open the transaction there", apierror.New(apierror.ConnectionLost, "%w", context.Cause(ctx))))
	}
	defer func() { <-p.opening }()
	token, elsewhere := t.held.known(p, write)
	if token != "" {
		return dbclient.TxnPart{ID: t.id, Token: token}, nil
	}
	answer, err := t.m.o.Parts.Open(ctx, to, dbclient.TxnOpenRequest{
		ID: t.id, Coordinator: t.m.o.ID, Age: t.age().Seconds(), LockTimeout: t.spec.lockTimeout.Seconds(), MaxBytes: t.spec.maxBytes, Elsewhere: elsewhere,
	})
	if err != nil {
		return dbclient.TxnPart{}, t.notOpened(ctx, err)
	}
	if was := t.held.opened(p, answer.Token, elsewhere); was != "" && was != answer.Token {
		return dbclient.TxnPart{}, t.lose(ctx, "DB server "+to.URL+" has lost its part")
	}
	return dbclient.TxnPart{ID: t.id, Token: answer.Token}, nil
}

// notOpened is the error of an operation whose server does not open a part.
func (t *Transaction) notOpened(ctx context.Context, err error) error {
	if isGone(err) {
		return t.lose(ctx, err.Error())
	}
	return t.gone(unsent("open the transaction there", err))
}
