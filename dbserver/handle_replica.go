package dbserver

import (
	"context"

	dbclient "stasis/dbserver/client"
)

// What a leader asks of the other replicas of a shard. None of it passes the gate:
// the leader's writers hold their own, and two gates that wait for each other would
// never open. Who asks is not known: the replica goes by what Plan says of the tenure.

func (s *Server) promise(ctx context.Context, d *data, q request[dbclient.Tenure]) (dbclient.ReplicaAnswer, error) {
	on, err := d.replica(q.shard)
	if err != nil {
		return dbclient.ReplicaAnswer{}, err
	}
	return on.follower.Promise(ctx, q.body)
}

func (s *Server) accept(ctx context.Context, d *data, q request[dbclient.AcceptRequest]) (dbclient.ReplicaAnswer, error) {
	on, err := d.replica(q.shard)
	if err != nil {
		return dbclient.ReplicaAnswer{}, err
	}
	return on.follower.Accept(ctx, q.body)
}

func (s *Server) copy(ctx context.Context, d *data, q request[dbclient.CopyRequest]) (dbclient.ReplicaAnswer, error) {
	on, err := d.replica(q.shard)
	if err != nil {
		return dbclient.ReplicaAnswer{}, err
	}
	return on.follower.Copy(ctx, q.body)
}

func (s *Server) shardLog(_ context.Context, d *data, q request[dbclient.LogRequest]) (dbclient.LogResponse, error) {
	on, err := d.replica(q.shard)
	if err != nil {
		return dbclient.LogResponse{}, err
	}
	return on.follower.Log(q.body)
}
