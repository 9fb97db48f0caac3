package replica

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/shard"
	"stasis/event"
)

// Peers are the calls to the other replicas of a shard.
type Peers interface {
	Promise(ctx context.Context, t dbclient.Target, shard string, r dbclient.Tenure) (dbclient.ReplicaAnswer, error)
	Accept(ctx context.Context, t dbclient.Target, shard string, r dbclient.AcceptRequest) (dbclient.ReplicaAnswer, error)
	Copy(ctx context.Context, t dbclient.Target, shard string, r dbclient.CopyRequest) (dbclient.ReplicaAnswer, error)
	Log(ctx context.Context, t dbclient.Target, shard string, r dbclient.LogRequest) (dbclient.LogResponse, error)
}

// Agency is what reports are written with. Errors are those of agency/client's Client.
type Agency interface {
	Write(ctx context.Context, tx agencyclient.Tx) (index uint64, err error)
}

// Cache is the server's copy of the agency's tree. Snapshot may be behind; Sync's answer is at
// least as new as the call.
type Cache interface {
	Snapshot() agencyclient.Snapshot
	Sync(ctx context.Context) (agencyclient.Snapshot, error)
	Wait(ctx context.Context, ok func(agencyclient.Snapshot) bool) (agencyclient.Snapshot, error)
}

// Server is what a Leader needs of the server that it runs on.
type Server struct {
	ID     string
	Reboot func() uint64
	Epoch  uint64
	Agency Agency
	Cache  Cache
	Peers  Peers
	Lease  func() error                                    // nil while this server may serve
	Enter  func(context.Context) (leave func(), err error) // passes the gate
	Sync   func() error                                    // everything logged here is on disk
	// Inherit holds the gate for transactions that a leader finds prepared on its shard when it is about to serve, until they are
	// resolved. Ended is called when a leadership is over, before another begins.
	Inherit func(context.Context, *shard.Shard, shard.Tenure) error
	Ended   func(shard string, t shard.Tenure)
	Logger  hclog.Logger
	Steps   event.Sink
	Timing  Timing
}

// Home is the server that a replica is on.
type Home struct {
	ID     string
	Reboot func() uint64
	Epoch  uint64
	Cache  Cache
	Logger hclog.Logger
}

// Timing holds intervals; a zero field gets its default.
type Timing struct {
	Silent    time.Duration // a follower that does not answer for so long leaves the in-sync set; 3 s
	Join      time.Duration // a new leader waits so long for followers before it serves without them; 2 s
	KeepAlive time.Duration // an idle follower is asked so often; 500 ms
	Linger    time.Duration // how long the news that a record is committed waits for company; 20 ms
	Call      time.Duration // one call to a follower; 5 s
	Agency    time.Duration // one question to the agency; 5 s
	Retry     time.Duration // longest pause before something is tried again; 500 ms
}

// WithDefaults fills in what is zero.
func (t Timing) WithDefaults() Timing {
	for _, f := range []struct {
		d   *time.Duration
		def time.Duration
	}{
		{&t.Silent, 3 * time.Second}, {&t.Join, 2 * time.Second}, {&t.KeepAlive, 500 * time.Millisecond}, {&t.Linger, 20 * time.Millisecond},
		{&t.Call, 5 * time.Second}, {&t.Agency, 5 * time.Second}, {&t.Retry, 500 * time.Millisecond},
	} {
		if *f.d <= 0 {
			*f.d = f.def
		}
	}
	return t
}
