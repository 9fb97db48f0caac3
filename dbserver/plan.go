package dbserver

import (
	"fmt"
	"maps"
	"slices"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/replica"
	"stasis/internal/failpoint"
)

// work is what must be done so that this server is as Plan wants it.
type work struct {
	create  []string // shards
	drop    []string
	places  []replica.Place // all that Plan gives this server
	reports []agencyclient.Tx
}

// view is what one server sees when it compares Plan, Current and itself.
type view struct {
	root   *agencyclient.Node
	me     string
	epoch  uint64          // of the data that is open
	shards map[string]bool // here
}

// planWork compares. It is a pure function and its result may be carried out any
// number of times, or not at all: what is still missing turns up in the next one.
// Shards are reported by their leaders themselves.
func planWork(v view) (work, error) {
	places, err := v.planned()
	if err != nil {
		return work{}, err
	}
	w := work{places: places}
	wanted := map[string]bool{}
	for _, p := range places {
		if wanted[p.Shard] = true; !v.shards[p.Shard] {
			w.create = append(w.create, p.Shard)
		}
	}
	counted := v.counted()
	for _, name := range slices.Sorted(maps.Keys(v.shards)) {
		if !wanted[name] && (!counted[name] || failpoint.Off("counted-shards-stay")) {
			w.drop = append(w.drop, name)
		}
	}
	w.reports = v.forgetShards()
	databases, err := v.reportDatabases()
	w.reports = append(w.reports, databases...)
	return w, err
}

// counted are the shards of Plan for which Current counts on this server: what is here
// may be the only whole log until the leader has said that it is not needed, whatever
// Plan says.
func (v view) counted() map[string]bool {
	all := map[string]bool{}
	for db, collections := range v.root.At(keys.PlanCollections).Children() {
		for cid, node := range collections.Children() {
			for name := range node.At("shards").Children() {
				var r keys.CurrentShardReport
				if v.root.At(keys.CurrentShard(db, cid, name)).Decode(&r) == nil && r.Names(v.me) {
					all[name] = true
				}
			}
		}
	}
	return all
}

// planned lists the shards that have this server among theirs.
func (v view) planned() ([]replica.Place, error) {
	var all []replica.Place
	for db, collections := range v.root.At(keys.PlanCollections).Children() {
		for cid, node := range collections.Children() {
			var c keys.Collection
			if err := node.Decode(&c); err != nil {
				return nil, fmt.Errorf("read %s: %w", keys.PlanCollection(db, cid), err)
			}
			for _, name := range slices.Sorted(maps.Keys(c.Shards)) {
				p := replica.Place{
					Database: db, Collection: cid, Shard: name, Term: c.ShardTerms[name], Servers: c.Shards[name],
					WriteConcern: c.WriteConcern, Indexes: c.Indexes, Building: c.IsBuilding,
				}
				if p.Leader() == v.me || slices.Contains(p.Servers, v.me) {
					all = append(all, p)
				}
			}
		}
	}
	return all, nil
}

// forgetShards takes from Current what stands there about shards that Plan no longer
// has, and that were this server's among others.
func (v view) forgetShards() []agencyclient.Tx {
	var txs []agencyclient.Tx
	for db, collections := range v.root.At(keys.CurrentCollections).Children() {
		for cid, shards := range collections.Children() {
			for name, node := range shards.Children() {
				inPlan := keys.PlanCollection(db, cid) + "/shards/" + name
				var have keys.CurrentShardReport
				if v.root.At(inPlan).Exists() || node.Decode(&have) != nil || !have.Names(v.me) {
					continue
				}
				key := keys.CurrentShard(db, cid, name)
				pre := map[string]any{inPlan: agencyclient.OldEmpty(true)}
				if shards.Len() == 1 && !v.root.At(keys.PlanCollection(db, cid)).Exists() { // leave no empty folder
					key = keys.CurrentCollections + "/" + db + "/" + cid
					pre = map[string]any{keys.PlanCollection(db, cid): agencyclient.OldEmpty(true), key: agencyclient.Exactly(shards)}
				}
				txs = append(txs, v.report(key, agencyclient.Delete(), pre))
			}
		}
	}
	return txs
}

// reportDatabases tells Current which databases this server knows.
func (v view) reportDatabases() ([]agencyclient.Tx, error) {
	var txs []agencyclient.Tx
	for name, node := range v.root.At(keys.PlanDatabases).Children() {
		var db keys.Database
		if err := node.Decode(&db); err != nil {
			return nil, fmt.Errorf("read %s: %w", keys.PlanDatabase(name), err)
		}
		key, want := keys.CurrentDatabase(name, v.me), keys.CurrentDatabaseReport{ID: db.ID, Name: name}
		var have keys.CurrentDatabaseReport
		if node := v.root.At(key); !node.Exists() || node.Decode(&have) != nil || have != want {
			txs = append(txs, v.report(key, agencyclient.Set(want), map[string]any{keys.PlanDatabase(name) + "/id": agencyclient.Old(db.ID)}))
		}
	}
	for name, servers := range v.root.At(keys.CurrentDatabases).Children() {
		inPlan := keys.PlanDatabase(name)
		if servers.At(v.me).Exists() && !v.root.At(inPlan).Exists() {
			key, pre := keys.CurrentDatabase(name, v.me), map[string]any{inPlan: agencyclient.OldEmpty(true)}
			if servers.Len() == 1 { // leave no empty folder
				key = keys.CurrentDatabases + "/" + name
				pre[key] = agencyclient.Exactly(servers)
			}
			txs = append(txs, v.report(key, agencyclient.Delete(), pre))
		}
	}
	return txs, nil
}

// report is one change of Current. It holds only in the epoch that this server
// has open, and as long as Plan says what the change answers to.
func (v view) report(key string, op any, pre map[string]any) agencyclient.Tx {
	pre[keys.RestoreEpoch] = agencyclient.Exactly(v.root.At(keys.RestoreEpoch))
	return agencyclient.Tx{Ops: map[string]any{key: op, keys.CurrentVersion: agencyclient.Increment(1)}, Pre: pre}
}
