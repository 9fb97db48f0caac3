package dbserver

import (
	"context"

	"stasis/dbserver/client"
)

// What a leader asks of the other replicas of a shard. None of it passes the gate:
// the leader's writers hold their own, and two gates that wait for each other would
// never open. Who asks is not known: the replica goes by what Plan says of the tenure.

func (s *Server) promise(ctx context.Context, d *data, q request[client.Tenure]) (client.ReplicaAnswer, error) {
	on, err := d.replica(q.shard)
	if err != nil {
		return client.ReplicaAnswer{}, err
	}
	return on.follower.Promise(ctx, q.body)
}

func (s *Server) accept(ctx context.Context, d *data, q request[client.AcceptRequest]) (client.ReplicaAnswer, error) {
	on, err := d.replica(q.shard)
	if err != nil {
		return client.ReplicaAnswer{}, err
	}
	return on.follower.Accept(ctx, q.body)
}

func (s *Server) copy(ctx context.Context, d *data, q request[client.CopyRequest]) (client.ReplicaAnswer, error) {
	on, err := d.replica(q.shard)
	if err != nil {
		return client.ReplicaAnswer{}, err
	}
	return on.follower.Copy(ctx, q.body)
}

func (s *Server) shardLog(_ context.Context, d *data, q request[client.LogRequest]) (client.LogResponse, error) {
	on, err := d.replica(q.shard)
	if err != nil {
		return client.LogResponse{}, err
	}
	return on.follower.Log(q.body)
}
