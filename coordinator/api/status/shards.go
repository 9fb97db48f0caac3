package status

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"stasis/agency/keys"
	"stasis/client"
	"stasis/coordinator/catalog"
	dbclient "stasis/dbserver/client"
	"stasis/internal/rest"
)

// A replica is read whole for its checksum. So only a few are asked at once, each for a bounded
// time.
const (
	replicasAtOnce = 16
	replicaTimeout = 2 * time.Minute
)

// shards answers where the shards are, and with checksum=true what every replica holds.
func (a *API) shards(c *rest.Call) error {
	ask, err := c.Flag("checksum", false)
	if err != nil {
		return err
	}
	snap := a.Catalog.SyncOrCached(c.R.Context())
	colls, err := chosen(snap, c.Query.Get("database"), c.Query.Get("collection"))
	if err != nil {
		return err
	}
	all := []client.Shard{}
	for _, coll := range colls {
		for _, name := range coll.ShardNames {
			all = append(all, shardOf(snap, coll, name))
		}
	}
	if ask {
		a.askReplicas(c.R.Context(), snap, all)
	}
	return c.Answer(http.StatusOK, client.Shards{Shards: all})
}

// chosen are collections by database and name or id; all without them.
func chosen(snap *catalog.Snapshot, db, name string) ([]*catalog.Collection, error) {
	if db != "" && name != "" {
		coll, err := snap.Find(db, name)
		return []*catalog.Collection{coll}, err
	}
	var all []*catalog.Collection
	for _, in := range snap.Databases() {
		for _, coll := range snap.Collections(in) {
			if (db == "" || db == in) && (name == "" || name == coll.Name || name == coll.ID) {
				all = append(all, coll)
			}
		}
	}
	if len(all) == 0 && (db != "" || name != "") { // it has none, or does not exist
		return nil, snap.Missing(cmp.Or(db, rest.SystemDatabase), name)
	}
	return all, nil
}

func shardOf(snap *catalog.Snapshot, coll *catalog.Collection, name string) client.Shard {
	r := coll.Replication
	shard := client.Shard{
		Database: coll.Database, Collection: coll.Name, CollectionID: coll.ID, Shard: name, ReplicationFactor: r.Factor, WriteConcern: r.Concern,
		Term: coll.ShardTerms[name], Followers: []string{}, InSync: []string{},
	}
	if planned := coll.Shards[name]; len(planned) > 0 {
		shard.Leader, shard.Resigns = strings.CutPrefix(planned[0], keys.Resigned)
		shard.Followers = append(shard.Followers, planned[1:]...)
	}
	if report, ok := snap.Report(coll.Database, coll.ID, name); ok && report.Restored == nil {
		shard.Serving = len(report.Servers) > 0 && report.Servers[0] == shard.Leader && report.Term == shard.Term && !snap.Failed(shard.Leader)
		for _, server := range report.Servers {
			shard.InSync = append(shard.InSync, strings.TrimPrefix(server, keys.Resigned))
		}
	}
	return shard
}

// askReplicas adds what every planned server holds.
func (a *API) askReplicas(ctx context.Context, snap *catalog.Snapshot, shards []client.Shard) {
	var g errgroup.Group
	g.SetLimit(replicasAtOnce)
	for i := range shards {
		shard := &shards[i]
		servers := append([]string{shard.Leader}, shard.Followers...)
		shard.Replicas = make([]client.Replica, len(servers))
		for n, server := range servers {
			g.Go(func() error {
				shard.Replicas[n] = a.askReplica(ctx, snap, server, shard.Shard)
				shard.Replicas[n].InSync = slices.Contains(shard.InSync, server)
				return nil
			})
		}
	}
	_ = g.Wait() // the functions have no error
}

func (a *API) askReplica(ctx context.Context, snap *catalog.Snapshot, server, shard string) client.Replica {
	url, ok := snap.URL(server)
	if !ok {
		return client.Replica{Server: server, Error: "it is not registered"}
	}
	ctx, cancel := context.WithTimeout(ctx, replicaTimeout)
	defer cancel()
	r, err := a.Replicas.Checksum(ctx, dbclient.Target{URL: url, Epoch: snap.Epoch}, shard, dbclient.ChecksumRequest{Replica: true})
	if err != nil {
		return client.Replica{Server: server, Error: err.Error()}
	}
	return client.Replica{
		Server: server, Role: r.Role, Term: r.Term, Seq: r.Seq, Committed: r.Committed, Count: r.Count, Checksum: r.Checksum, Copying: r.Copying,
	}
}

// distribution answers which servers have the shards of a database's collections, in Plan and
// in Current, as ArangoDB 3.12 does.
func (a *API) distribution(c *rest.Call) error {
	snap, err := a.Catalog.Sync(c.R.Context())
	if err != nil {
		return err
	}
	short := func(id string) string { return first(snap.ShortName(id), id) }
	entry := func(leader string, followers []string) rest.Fields {
		names := []string{}
		for _, id := range followers {
			if id != leader {
				names = append(names, short(id))
			}
		}
		return rest.Fields{"leader": short(leader), "followers": names}
	}
	results := rest.Fields{}
	for _, coll := range snap.Collections(c.DB) {
		plan, current := rest.Fields{}, rest.Fields{}
		for _, name := range coll.ShardNames {
			shard := shardOf(snap, coll, name)
			plan[name] = entry(shard.Leader, shard.Followers)
			if len(shard.InSync) > 0 {
				current[name] = entry(shard.InSync[0], shard.InSync[1:])
			}
		}
		results[coll.Name] = rest.Fields{"Plan": plan, "Current": current}
	}
	return c.OK(http.StatusOK, rest.Fields{"results": results})
}
