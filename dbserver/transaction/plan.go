package transaction

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/store"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// errDropped says that Plan has no such shard.
var errDropped = errors.New("the shard is not in Plan any more")

// homes finds shards of other servers, and asks them.
type homes struct {
	id       string // of this server
	cache    Cache
	peers    Peers
	patience time.Duration // of one call
	own      func(context.Context, *store.Store, string, dbclient.TxnAskRequest) (dbclient.TxnAskResponse, error)
}

// planned is the server that Plan names as the leader of a shard, in a tree of the data's epoch. [errDropped] is certain: a tree that
// lacks the shard may be behind, so it is asked for again.
func (x homes) planned(ctx context.Context, s *store.Store, of dbclient.TxnShard) (server string, root *agencyclient.Node, err error) {
	root = x.cache.Snapshot().Root
	if server, err = leaderIn(root, s.Epoch(), of); err == nil {
		return server, root, nil
	}
	ctx, cancel := context.WithTimeout(ctx, x.patience)
	defer cancel()
	if !failpoint.Off("dropped-is-certain") {
		snap, err := x.cache.Sync(ctx)
		if err != nil {
			return "", nil, fmt.Errorf("where shard %s is now is not known: %w", of.Shard, err)
		}
		root = snap.Root
	}
	server, err = leaderIn(root, s.Epoch(), of)
	return server, root, err
}

func leaderIn(root *agencyclient.Node, epoch uint64, of dbclient.TxnShard) (string, error) {
	if now, _ := root.At(keys.RestoreEpoch).Int(); uint64(max(now, 0)) != epoch {
		return "", fmt.Errorf("the data of epoch %d is being replaced", epoch)
	}
	if !root.At(keys.Plan).Exists() {
		return "", fmt.Errorf("the agency has no Plan")
	}
	var servers []string
	at := root.At(keys.PlanCollection(of.Database, of.Collection) + "/shards/" + of.Shard)
	if !at.Exists() {
		return "", errDropped
	}
	if err := at.Decode(&servers); err != nil || len(servers) == 0 {
		return "", fmt.Errorf("shard %s has no leader in Plan: %w", of.Shard, errors.Join(err))
	}
	return strings.TrimPrefix(servers[0], keys.Resigned), nil
}

// target gives the address of a server.
func target(root *agencyclient.Node, s *store.Store, id string) (dbclient.Target, error) {
	address, ok := strings.CutPrefix(root.At(keys.ServerRegistered(id)+"/endpoint").Text(), "tcp://")
	if !ok {
		return dbclient.Target{}, fmt.Errorf("server %s is not registered with an address", id)
	}
	return dbclient.Target{URL: "http://" + address, Epoch: s.Epoch()}, nil
}

// outcome asks the home of a transaction what became of it, and aborts what is not decided.
func (x homes) outcome(ctx context.Context, s *store.Store, home dbclient.TxnShard, id dbclient.TxnID) (commit bool, err error) {
	server, root, err := x.planned(ctx, s, home)
	if errors.Is(err, errDropped) {
		return x.askEverywhere(ctx, s, root, home, id)
	}
	if err != nil {
		return false, err
	}
	answer, err := x.ask(ctx, s, root, server, transactionOf{home, id})
	if err != nil {
		return false, err
	}
	return judge(answer)
}

// transactionOf names a transaction and its home.
type transactionOf struct {
	home dbclient.TxnShard
	id   dbclient.TxnID
}

// ask asks one server.
func (x homes) ask(ctx context.Context, s *store.Store, root *agencyclient.Node, server string, tx transactionOf) (dbclient.TxnAskResponse, error) {
	q := dbclient.TxnAskRequest{ID: tx.id, Abandon: true}
	ctx, cancel := context.WithTimeout(ctx, x.patience)
	defer cancel()
	if server == x.id {
		return x.own(ctx, s, tx.home.Shard, q)
	}
	t, err := target(root, s, server)
	if err != nil {
		return dbclient.TxnAskResponse{}, err
	}
	return x.peers.Ask(ctx, t, tx.home.Shard, q)
}

func judge(answer dbclient.TxnAskResponse) (commit bool, err error) {
	switch answer.Outcome {
	case dbclient.TxnCommitted:
		return true, nil
	case dbclient.TxnAbortedAs:
		return false, nil
	}
	return false, fmt.Errorf("the home answers %q", answer.Outcome)
}

// askEverywhere asks all servers for the decision of a transaction whose home has been dropped. The one that had it last keeps what
// others need (see store.SetAside). It is aborted if all that have not FAILED say that they have none.
func (x homes) askEverywhere(ctx context.Context, s *store.Store, root *agencyclient.Node, home dbclient.TxnShard, id dbclient.TxnID) (commit bool, err error) {
	for server := range root.At(keys.CurrentServersKnown).Children() {
		failed := root.At(keys.ServerHealth(server)+"/Status").Text() == "FAILED"
		if failed || !strings.HasPrefix(server, "PRMR-") {
			continue
		}
		answer, err := x.ask(ctx, s, root, server, transactionOf{home, id})
		if errors.Is(err, apierror.ShardGone) {
			continue
		}
		if err == nil {
			commit, err = judge(answer)
		}
		if err != nil {
			return false, fmt.Errorf("the home of transaction %s has been dropped, and %s may know what became of it: %w", id, server, err)
		}
		if commit {
			return true, nil
		}
	}
	return false, nil
}
