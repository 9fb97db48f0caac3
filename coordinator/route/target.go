package route

import (
	"strings"

	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// target returns the address of a shard's leader by Plan.
func target(snap *catalog.Snapshot, coll *catalog.Collection, shard string) (dbclient.Target, error) {
	servers := coll.Shards[shard]
	if len(servers) == 0 || strings.HasPrefix(servers[0], keys.Resigned) {
		return dbclient.Target{}, apierror.New(apierror.NoLeader, "shard %s of collection %s has no leader at present", shard, coll.Name)
	}
	url, ok := snap.URL(servers[0])
	if !ok {
		return dbclient.Target{}, apierror.New(apierror.NoLeader, "shard %s of collection %s: its leader %s is not registered", shard, coll.Name, servers[0])
	}
	return dbclient.Target{URL: url, Epoch: snap.Epoch}, nil
}
