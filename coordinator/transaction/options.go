package transaction

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"stasis/coordinator/catalog"
	"stasis/coordinator/route"
	dbclient "stasis/dbserver/client"
)

// Servers are the requests to DB servers; *dbserver/client.Client with its Transactions is one. No method repeats a request.
type Servers interface {
	route.Servers
	Parts
}

// Parts are the requests about parts of transactions; dbserver/client.Transactions is one.
type Parts interface {
	Open(ctx context.Context, t dbclient.Target, r dbclient.TxnOpenRequest) (dbclient.TxnOpenResponse, error)
	Keep(ctx context.Context, t dbclient.Target, r dbclient.TxnKeepRequest) (dbclient.TxnKeepResponse, error)
	Enter(ctx context.Context, t dbclient.Target, r dbclient.TxnEnterRequest) error
	Leave(ctx context.Context, t dbclient.Target, r dbclient.TxnPart) error
	End(ctx context.Context, t dbclient.Target, r dbclient.TxnEndRequest) error
	Forget(ctx context.Context, t dbclient.Target, r dbclient.TxnForgetRequest) error
	Prepare(ctx context.Context, t dbclient.Target, shard string, r dbclient.TxnPrepareRequest) error
	Decide(ctx context.Context, t dbclient.Target, shard string, r dbclient.TxnDecideRequest) error
	Resolve(ctx context.Context, t dbclient.Target, shard string, r dbclient.TxnResolveRequest) error
	Ask(ctx context.Context, t dbclient.Target, shard string, r dbclient.TxnAskRequest) (dbclient.TxnAskResponse, error)
}

// Catalog has the collections and the servers.
type Catalog interface {
	Cached() *catalog.Snapshot
	Sync(ctx context.Context) (*catalog.Snapshot, error)
	Collection(ctx context.Context, db, name string) (*catalog.Snapshot, *catalog.Collection, error)
}

// Options are what a Manager works with. Servers, Parts, Catalog and ID are required; zero fields of the others take their default.
type Options struct {
	Servers route.Servers
	Parts   Parts
	Catalog Catalog
	ID      string // of this coordinator
	Logger  hclog.Logger
	Limits  Limits
	Timing  Timing
}

// Limits bound what transactions take.
type Limits struct {
	Open     int   // that have not ended, at a time; default 10 000
	Finished int   // that have ended and are known; default 20 000
	Bytes    int64 // that one writes, if its client does not say; default a quarter of MaxBytes
	MaxBytes int64 // that a client may ask for; default 512 MiB
}

// Timing has the durations of transactions.
type Timing struct {
	Idle        time.Duration // without a request it is aborted after so long; default 60 s
	Known       time.Duration // for which one that has ended is known; default 5 min
	Keep        time.Duration // between two signs of life to DB servers; default 5 s
	Request     time.Duration // of one request to a DB server, waits for locks excepted; default 60 s
	End         time.Duration // of a request that ends a part; default 5 s
	Doubt       time.Duration // for which the client of a commit waits while its outcome is not known; default 30 s
	Finish      time.Duration // for which shards are told of a commit: after that its home does so by itself; default 10 s
	LockTimeout time.Duration // of a wait for a lock, if the client does not say; default 1 s, as ArangoDB's for documents
	Exclusive   time.Duration // the same for a transaction that declares a collection exclusive; default 10 s
	MaxLock     time.Duration // that a client may ask for; default 15 min
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	orDefault(&o.Limits.Open, 10_000)
	orDefault(&o.Limits.Finished, 20_000)
	orDefault(&o.Limits.MaxBytes, 512<<20)
	orDefault(&o.Limits.Bytes, o.Limits.MaxBytes/4)
	t := &o.Timing
	orDefault(&t.Idle, time.Minute)
	orDefault(&t.Known, 5*time.Minute)
	orDefault(&t.Keep, 5*time.Second)
	orDefault(&t.Request, time.Minute)
	orDefault(&t.End, 5*time.Second)
	orDefault(&t.Doubt, 30*time.Second)
	orDefault(&t.Finish, 10*time.Second)
	orDefault(&t.LockTimeout, time.Second)
	orDefault(&t.Exclusive, 10*time.Second)
	orDefault(&t.MaxLock, 15*time.Minute)
	return o
}

func orDefault[T ~int | ~int64](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}
