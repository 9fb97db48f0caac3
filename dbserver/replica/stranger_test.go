package replica

import (
	"context"

	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/shard"
)

// strange has a process get a request that is no leader's: a promise, a copy that is empty, or
// records, of a tenure so many terms ahead of Plan's. With 0 it is a tenure of Plan's term in
// a process of the leader that is to come, and the records are garbage.
func (r *room) strange(p *process, ahead uint64, what int) {
	r.t.Helper()
	if !p.enter() {
		return
	}
	r.group.Go(func() {
		defer p.inside.Done()
		servers, term := r.planned()
		tenure := dbclient.Tenure{Term: term + ahead, Reboot: r.rebootOf((Place{Servers: servers}).Leader()) + 1_000_000}
		ctx := context.Background()
		var a dbclient.ReplicaAnswer
		var err error
		switch what {
		case 0:
			a, err = p.obeys.Promise(ctx, tenure)
		case 1:
			a, err = p.obeys.Copy(ctx, dbclient.CopyRequest{Tenure: tenure, Copy: 1, Begin: true})
		default:
			garbage := shard.Record{Tenure: shard.Tenure(tenure), Seq: 1, Changes: []shard.Change{{Kind: shard.Truncate}}}
			a, err = p.obeys.Accept(ctx, dbclient.AcceptRequest{Tenure: tenure, Records: encodeRecords([]shard.Record{garbage}), Commit: 1})
		}
		if err == nil && a.Refused == "" {
			r.tell("%s obeys %+v: %+v", p.id, tenure, a)
			require.Fail(r.t, "a stranger is obeyed")
		}
	})
}
