package transaction

import (
	"context"
	"errors"
	"strings"
	"time"

	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
	"stasis/internal/wait"
)

// Pauses between two questions to a home shard.
const (
	firstPause = 20 * time.Millisecond
	maxPause   = time.Second
)

// errRestored says that the data is not what the transaction was about.
var errRestored = errors.New("the cluster was restored meanwhile, so nobody can tell")

// decide asks the home for the decision.
func (c *commitment) decide(base context.Context) {
	t := c.t
	part, target := t.held.partAt(c.home.url)
	request := dbclient.TxnDecideRequest{TxnPart: part, WaitForSync: t.wantsSync() || len(c.others) > 0}
	for _, s := range c.others {
		request.Others = append(request.Others, s.at)
	}
	ctx, cancel := context.WithTimeout(c.patient, t.m.o.Timing.Request)
	err := t.m.o.Parts.Decide(ctx, target, c.home.at.Shard, request)
	cancel()
	switch {
	case err == nil:
		c.won(base)
	case errors.Is(err, apierror.GateClosed) && len(c.others) == 0:
		c.reopen(err)
	case isGone(err), notDone(err), failpoint.Off("lost-decision-is-asked-for"):
		c.fail(base, err)
	default:
		c.ask(base, err)
	}
}

func (t *Transaction) wantsSync() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sync
}

// ask asks the home until it tells. The client is told that the outcome is unknown when it has waited for long enough.
func (c *commitment) ask(base context.Context, why error) {
	t := c.t
	t.m.o.Logger.Info("the home of a transaction has not answered whether it has decided: it is asked", "id", t.id, "shard", c.home.at.Shard, "error", why)
	doubt := time.Now().Add(t.m.o.Timing.Doubt)
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		outcome, err := t.outcome(base, c.home.at)
		switch {
		case outcome == dbclient.TxnCommitted:
			c.won(base)
			return
		case outcome == dbclient.TxnAbortedAs:
			c.fail(base, errors.New("its home has not decided it, and cannot any more; the answer was lost: "+why.Error()))
			return
		case err != nil:
			why = err
		}
		final := base.Err() != nil || errors.Is(err, errRestored)
		if final || !time.Now().Before(doubt) {
			c.doubt(why)
		}
		if final {
			t.m.over(t)
			return
		}
		_ = wait.For(base, pause) // the loop looks whether it has ended
	}
}

// doubt tells the client that the outcome is unknown.
func (c *commitment) doubt(why error) {
	c.t.mu.Lock()
	c.t.state, c.t.why = unknown, "its home does not tell: "+why.Error()
	err := c.t.doubt()
	c.t.mu.Unlock()
	c.e.answer(err)
}

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
// decisions. Only if all say that they have none, there is none.
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
	return dbclient.TxnAbortedAs, nil
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
