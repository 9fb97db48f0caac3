package dbserver

import (
	"context"

	"stasis/dbserver/client"
	"stasis/dbserver/replica"
)

// What a leader asks of the other replicas of a shard. None of it passes the gate:
// the leader's writers hold their own, and two gates that wait for each other would
// never open.

func (s *Server) promise(_ context.Context, d *data, q request[client.Tenure]) (client.ReplicaAnswer, error) {
	on, err := d.replica(q.shard)
	if err != nil {
		return client.ReplicaAnswer{}, err
	}
	return replica.Promise(on.Shard, s.reboot.Load(), q.body)
}

func (s *Server) accept(_ context.Context, d *data, q request[client.AcceptRequest]) (client.ReplicaAnswer, error) {
	on, err := d.replica(q.shard)
	if err != nil {
		return client.ReplicaAnswer{}, err
	}
	return replica.Accept(on.Shard, s.reboot.Load(), q.body)
}

func (s *Server) copy(_ context.Context, d *data, q request[client.CopyRequest]) (client.ReplicaAnswer, error) {
	on, err := d.replica(q.shard)
	if err != nil {
		return client.ReplicaAnswer{}, err
	}
	return replica.Copy(on.Shard, s.reboot.Load(), q.body)
}

func (s *Server) shardLog(_ context.Context, d *data, q request[client.LogRequest]) (client.LogResponse, error) {
	on, err := d.replica(q.shard)
	if err != nil {
		return client.LogResponse{}, err
	}
	return replica.Log(on.Shard, q.body)
}
