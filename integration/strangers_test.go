package integration

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
)

// The forgeries are what someone who reaches the port of a DB server may send to a replica. own is
// the tenure of the leader, which the agency tells everyone.
var forgeries = map[string]func(ctx context.Context, d direct, t dbclient.Target, own dbclient.Tenure) (obeyed bool){
	"promise of the last term": func(ctx context.Context, d direct, t dbclient.Target, _ dbclient.Tenure) bool {
		a, err := d.dbs.Promise(ctx, t, d.shard, dbclient.Tenure{Term: math.MaxUint64, Reboot: 1})
		return err == nil && a.Refused == ""
	},
	"promise of the next term": func(ctx context.Context, d direct, t dbclient.Target, own dbclient.Tenure) bool {
		a, err := d.dbs.Promise(ctx, t, d.shard, dbclient.Tenure{Term: own.Term + 1, Reboot: own.Reboot})
		return err == nil && a.Refused == ""
	},
	"empty copy in the leader's tenure": func(ctx context.Context, d direct, t dbclient.Target, own dbclient.Tenure) bool {
		return d.emptyCopy(ctx, t, own)
	},
	"empty copy in the last term": func(ctx context.Context, d direct, t dbclient.Target, _ dbclient.Tenure) bool {
		return d.emptyCopy(ctx, t, dbclient.Tenure{Term: math.MaxUint64, Reboot: 1})
	},
	"garbage in the leader's tenure": func(ctx context.Context, d direct, t dbclient.Target, own dbclient.Tenure) bool {
		garbage := dbclient.AppendBlob(nil, []byte("\x02garbage"))
		a, err := d.dbs.Accept(ctx, t, d.shard, dbclient.AcceptRequest{Tenure: own, Records: garbage, Commit: math.MaxUint64})
		return err == nil && a.Refused == ""
	},
	"records in the last term": func(ctx context.Context, d direct, t dbclient.Target, _ dbclient.Tenure) bool {
		last := dbclient.Tenure{Term: math.MaxUint64, Reboot: 1}
		a, err := d.dbs.Accept(ctx, t, d.shard, dbclient.AcceptRequest{Tenure: last, Commit: math.MaxUint64})
		return err == nil && a.Refused == ""
	},
}

// emptyCopy begins and ends a copy of no documents, in two requests and in one.
func (d direct) emptyCopy(ctx context.Context, t dbclient.Target, own dbclient.Tenure) (obeyed bool) {
	begin, err := d.dbs.Copy(ctx, t, d.shard, dbclient.CopyRequest{Tenure: own, Copy: 1 << 40, Begin: true})
	obeyed = err == nil && begin.Refused == ""
	for _, r := range []dbclient.CopyRequest{
		{Tenure: own, Copy: 1 << 40, Session: begin.Session, End: &dbclient.ReplicaState{}}, {Tenure: own, Copy: 1<<40 + 1, Begin: true, End: &dbclient.ReplicaState{}},
	} {
		a, err := d.dbs.Copy(ctx, t, d.shard, r)
		obeyed = obeyed || err == nil && a.Refused == ""
	}
	return obeyed
}

// Strangers send every replica of a shard, the leader's included, what only its leader may:
// nothing is obeyed, all acknowledged documents are on all replicas, and a leader that
// comes after, and processes that start again, go on.
func TestRequestsOfStrangersToReplicas(t *testing.T) {
	inBubble(t, 11, func(b *bubble) {
		b.create1("c", 3, 2)
		ctx := b.t.Context()
		d := b.leading(b.t)
		for i := range 50 {
			require.NoError(b.t, d.write(ctx, fmt.Sprint("k", i), `{"value":"kept"}`))
		}
		all, _, err := b.shards(ctx)
		require.NoError(b.t, err)
		own := dbclient.Tenure{Term: d.term, Reboot: all[d.shard].current.Reboots[d.id]}
		for name, attack := range forgeries {
			for _, id := range all[d.shard].plan {
				require.False(b.t, attack(ctx, d, dbclient.Target{URL: b.urls[id]}, own), "%s: %s obeys", name, b.names[id])
			}
			b.has(50)
		}
		b.crash(b.names[d.id], 0)
		b.await(time.Minute, func() error { return d.succeeded(ctx) })
		b.restart(b.names[d.id])
		b.heal()
		b.has(50)
		for _, name := range b.servers() {
			require.NoError(b.t, b.Kill(name))
		}
		for _, name := range b.servers() {
			b.restart(name)
		}
		b.heal()
		b.has(50)
		require.NoError(b.t, b.leading(b.t).write(ctx, "after", `{}`))
	})
}

// has demands that so many documents are on the leader, and the same on all replicas.
func (b *bubble) has(n int) {
	b.t.Helper()
	b.heal()
	now := b.leading(b.t)
	page, err := b.dbs.Scan(b.t.Context(), dbclient.Target{URL: b.urls[now.id]}, now.shard, dbclient.ScanRequest{})
	require.NoError(b.t, err)
	require.Len(b.t, page.Documents, n, "acknowledged documents are gone")
}
