package api

import (
	"context"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/store"
)

// This file has what a leader asks of the other replicas of a shard. None of it passes the
// gate: the leader's writers hold their own server's gate, and two gates that wait for each
// other would never open. The sender is not known: the replica goes by what Plan says of the
// tenure.

func promise(ctx context.Context, s *store.Store, q Request[dbclient.Tenure]) (dbclient.ReplicaAnswer, error) {
	on, err := s.Replica(q.Shard)
	if err != nil {
		return dbclient.ReplicaAnswer{}, err
	}
	return on.Follower.Promise(ctx, q.Body)
}

func accept(ctx context.Context, s *store.Store, q Request[dbclient.AcceptRequest]) (dbclient.ReplicaAnswer, error) {
	on, err := s.Replica(q.Shard)
	if err != nil {
		return dbclient.ReplicaAnswer{}, err
	}
	return on.Follower.Accept(ctx, q.Body)
}

func copyPart(ctx context.Context, s *store.Store, q Request[dbclient.CopyRequest]) (dbclient.ReplicaAnswer, error) {
	on, err := s.Replica(q.Shard)
	if err != nil {
		return dbclient.ReplicaAnswer{}, err
	}
	return on.Follower.Copy(ctx, q.Body)
}

func readLog(_ context.Context, s *store.Store, q Request[dbclient.LogRequest]) (dbclient.LogResponse, error) {
	on, err := s.Replica(q.Shard)
	if err != nil {
		return dbclient.LogResponse{}, err
	}
	return on.Follower.Log(q.Body)
}
