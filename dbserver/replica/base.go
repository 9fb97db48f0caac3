package replica

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/shard"
	"stasis/event"
)

// maxBatchBytes is about how many bytes of records or documents one request to another
// replica carries.
const maxBatchBytes = 4 << 20

// base is what the parts of a Leader share: the server, the replica on it, and the tenure.
// It does not change after the leader has started.
type base struct {
	server Server
	shard  *shard.Shard
	tenure shard.Tenure
	log    hclog.Logger
	batch  int // bytes of records or documents in one request to a follower, about
}

// target gives the address of a server.
func (b *base) target(root *agencyclient.Node, id string) (dbclient.Target, error) {
	endpoint := root.At(keys.ServerRegistered(id) + "/endpoint").Text()
	address, ok := strings.CutPrefix(endpoint, "tcp://")
	if !ok {
		return dbclient.Target{}, fmt.Errorf("server %s is not registered with an address", id)
	}
	return dbclient.Target{URL: "http://" + address, Epoch: b.server.Epoch}, nil
}

// promise asks a server's replica to promise this tenure.
func (b *base) promise(ctx context.Context, root *agencyclient.Node, id string) (dbclient.ReplicaAnswer, error) {
	t, err := b.target(root, id)
	if err != nil {
		return dbclient.ReplicaAnswer{}, err
	}
	return b.server.Peers.Promise(ctx, t, b.shard.Name(), tenureOf(b.tenure))
}

// call bounds one call to another replica.
func (b *base) call(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, b.server.Timing.Call)
}

// emit sends an event of this leadership. No mutex is held.
func (b *base) emit(ctx context.Context, name event.Name, server, detail string) {
	e := event.Event{Operation: event.Replication, ID: b.shard.Name(), Step: name, Server: server, Term: b.tenure.Term, Detail: detail}
	b.log.Info(string(name), "server", server, "detail", detail, "tenure", b.tenure)
	b.server.Steps.Emit(ctx, e)
}
