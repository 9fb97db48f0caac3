package transaction

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// Pauses between two questions to a home shard.
const (
	firstPause = 20 * time.Millisecond
	maxPause   = time.Second
)

// errNobodyKnows says that the outcome of a transaction will never be known here.
var errNobodyKnows = errors.New("so nobody can tell")

// Why nobody knows an outcome.
var (
	errRestored  = fmt.Errorf("the cluster was restored meanwhile, %w", errNobodyKnows)
	errDropped   = fmt.Errorf("its collection was dropped meanwhile, and with it the decision if there was one, %w", errNobodyKnows)
	errForgotten = fmt.Errorf("it has answered so late that it may have forgotten its decision, %w", errNobodyKnows)
)

// outcome asks a home shard once what has become of the transaction. The question aborts what is not decided.
func (t *Transaction) outcome(ctx context.Context, home dbclient.TxnShard) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, t.m.o.Timing.End)
	defer cancel()
	snap, err := t.m.o.Catalog.Sync(ctx)
	if err != nil {
		return "", err
	}
	if snap.Epoch != t.epoch {
		return "", errRestored
	}
	target, inPlan, err := leaderOf(snap, home)
	if !inPlan {
		return t.anybody(ctx, snap, home)
	}
	if err != nil {
		return "", err
	}
	answer, err := t.m.o.Parts.Ask(ctx, target, home.Shard, dbclient.TxnAskRequest{ID: t.id, Abandon: true})
	return answer.Outcome, err
}

// anybody asks all servers for the outcome: the home shard was dropped, and is kept unseen where it was, as long as others need its
// decisions. If none has one, there was none, or it has gone with the shard when all others had heard it.
func (t *Transaction) anybody(ctx context.Context, snap *catalog.Snapshot, home dbclient.TxnShard) (string, error) {
	var silent error
	for _, server := range snap.DBServers() {
		url, ok := snap.URL(server)
		if !ok {
			continue
		}
		answer, err := t.m.o.Parts.Ask(ctx, dbclient.Target{URL: url, Epoch: snap.Epoch}, home.Shard, dbclient.TxnAskRequest{ID: t.id, Abandon: true})
		switch {
		case answer.Outcome == dbclient.TxnCommitted:
			return answer.Outcome, nil
		case err != nil && !errors.Is(err, apierror.ShardGone):
			silent = err
		}
	}
	if silent != nil {
		return "", silent
	}
	return "", errDropped
}

// leaderOf is the leader of a shard by Plan. inPlan is false if the shard was dropped.
func leaderOf(snap *catalog.Snapshot, at dbclient.TxnShard) (target dbclient.Target, inPlan bool, err error) {
	coll, ok := snap.Collection(at.Database, at.Collection)
	if !ok || coll.Shards[at.Shard] == nil {
		return target, false, nil
	}
	servers := coll.Shards[at.Shard]
	if len(servers) == 0 || strings.HasPrefix(servers[0], keys.Resigned) {
		return target, true, apierror.New(apierror.NoLeader, "shard %s has no leader at present", at.Shard)
	}
	url, ok := snap.URL(servers[0])
	if !ok {
		return target, true, apierror.New(apierror.NoLeader, "the leader %s of shard %s is not registered", servers[0], at.Shard)
	}
	return dbclient.Target{URL: url, Epoch: snap.Epoch}, true, nil
}
