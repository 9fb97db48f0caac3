package transaction

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/gate"
	"stasis/dbserver/store"
)

// Peers are the calls to the shards of other servers. Errors are those of [dbclient.Client].
type Peers interface {
	Ask(ctx context.Context, t dbclient.Target, shard string, r dbclient.TxnAskRequest) (dbclient.TxnAskResponse, error)
	Resolve(ctx context.Context, t dbclient.Target, shard string, r dbclient.TxnResolveRequest) error
}

// Cache is the server's copy of the agency's tree. Snapshot may be behind; Sync's answer is at least as new as the call.
type Cache interface {
	Snapshot() agencyclient.Snapshot
	Sync(ctx context.Context) (agencyclient.Snapshot, error)
}

// Config says which server has the parts, and with what.
type Config struct {
	ID     string
	Gate   *gate.Gate
	Access *store.Access
	Cache  Cache
	Peers  Peers
	Logger hclog.Logger
	Limits Limits
	Timing Timing
}

// Limits bound the memory of parts; a zero field gets its default.
type Limits struct {
	Parts int   // at once; 16384
	Bytes int64 // of what all parts have written and is in no engine yet; 1 GiB
	Ended int   // parts that are remembered after their end; 16384
}

// Timing holds intervals; a zero field gets its default.
type Timing struct {
	Silence  time.Duration // a part of which no coordinator says for so long that it lives is ended; 30 s
	Doubt    time.Duration // a shard that has been prepared for so long asks what becomes of it; 5 s
	Duty     time.Duration // a decision that has not been forgotten for so long is brought to the other shards; 5 s
	Remember time.Duration // a decision that its coordinator does not forget is kept for so long; 15 min. So are reasons
	Look     time.Duration // between two looks at all of this; 1 s
	Call     time.Duration // one call to another server, and one question to the agency; 5 s
	Retry    time.Duration // longest pause after a home that did not answer; 10 s
}

func (c Config) withDefaults() Config {
	for _, f := range []struct {
		d   *time.Duration
		def time.Duration
	}{
		{&c.Timing.Silence, 30 * time.Second}, {&c.Timing.Doubt, 5 * time.Second}, {&c.Timing.Duty, 5 * time.Second},
		{&c.Timing.Remember, 15 * time.Minute}, {&c.Timing.Look, time.Second}, {&c.Timing.Call, 5 * time.Second}, {&c.Timing.Retry, 10 * time.Second},
	} {
		if *f.d <= 0 {
			*f.d = f.def
		}
	}
	if c.Limits.Parts <= 0 {
		c.Limits.Parts = 1 << 14
	}
	if c.Limits.Bytes <= 0 {
		c.Limits.Bytes = 1 << 30
	}
	if c.Limits.Ended <= 0 {
		c.Limits.Ended = 1 << 14
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	return c
}
