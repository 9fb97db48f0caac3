package reconcile

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
	gone    map[string]bool // of those to drop: Plan has them on no server
	places  []replica.Place // all that Plan gives this server
	reports []agencyclient.Tx
}

// plan is the agency's tree as it concerns one server.
type plan struct {
	root *agencyclient.Node
	me   string
}

// Places lists the shards that Plan gives a server.
func Places(root *agencyclient.Node, server string) ([]replica.Place, error) {
	return plan{root, server}.places()
}

// compare says what a server has to do so that it is as Plan wants it; here are the shards
// that it has, sorted. It is a pure function.
func compare(root *agencyclient.Node, me string, here []string) (work, error) {
	p := plan{root, me}
	places, err := p.places()
	if err != nil {
		return work{}, err
	}
	w := work{places: places, gone: map[string]bool{}}
	wanted := map[string]bool{}
	for _, place := range places {
		wanted[place.Shard] = true
		if _, has := slices.BinarySearch(here, place.Shard); !has {
			w.create = append(w.create, place.Shard)
		}
	}
	counted := p.counted()
	for _, name := range here {
		if !wanted[name] && (!counted[name] || failpoint.Off("counted-shards-stay")) {
			w.drop = append(w.drop, name)
			w.gone[name] = !p.has(name)
		}
	}
	w.reports = p.forgetShards()
	databases, err := p.reportDatabases()
	w.reports = append(w.reports, databases...)
	return w, err
}

// has says whether Plan has a shard on any server.
func (p plan) has(name string) bool {
	for _, collections := range p.root.At(keys.PlanCollections).Children() {
		for _, node := range collections.Children() {
			if node.At("shards/" + name).Exists() {
				return true
			}
		}
	}
	return false
}

// counted are the shards of Plan for which Current names this server. Its replica of such a
// shard may be the only one with every acknowledged record, so it stays until the leader has
// reported a set without this server, whatever Plan says.
func (p plan) counted() map[string]bool {
	all := map[string]bool{}
	for db, collections := range p.root.At(keys.PlanCollections).Children() {
		for cid, node := range collections.Children() {
			for name := range node.At("shards").Children() {
				var r keys.CurrentShardReport
				if p.root.At(keys.CurrentShard(db, cid, name)).Decode(&r) == nil && r.Names(p.me) {
					all[name] = true
				}
			}
		}
	}
	return all
}

// places lists the shards that have this server among theirs.
func (p plan) places() ([]replica.Place, error) {
	var all []replica.Place
	for db, collections := range p.root.At(keys.PlanCollections).Children() {
		for cid, node := range collections.Children() {
			var c keys.Collection
			if err := node.Decode(&c); err != nil {
				return nil, fmt.Errorf("read %s: %w", keys.PlanCollection(db, cid), err)
			}
			for _, name := range slices.Sorted(maps.Keys(c.Shards)) {
				place := replica.Place{
					Database: db, Collection: cid, Shard: name, Term: c.ShardTerms[name], Servers: c.Shards[name],
					WriteConcern: c.WriteConcern, Indexes: c.Indexes, Building: c.IsBuilding,
				}
				if place.Leader() == p.me || slices.Contains(place.Servers, p.me) {
					all = append(all, place)
				}
			}
		}
	}
	return all, nil
}

// forgetShards removes from Current the reports of shards that Plan no longer has and that
// name this server.
func (p plan) forgetShards() []agencyclient.Tx {
	var txs []agencyclient.Tx
	for db, collections := range p.root.At(keys.CurrentCollections).Children() {
		for cid, shards := range collections.Children() {
			for name, node := range shards.Children() {
				inPlan := keys.PlanCollection(db, cid) + "/shards/" + name
				var have keys.CurrentShardReport
				if p.root.At(inPlan).Exists() || node.Decode(&have) != nil || !have.Names(p.me) {
					continue
				}
				key := keys.CurrentShard(db, cid, name)
				pre := map[string]any{inPlan: agencyclient.OldEmpty(true)}
				if shards.Len() == 1 && !p.root.At(keys.PlanCollection(db, cid)).Exists() { // leave no empty folder
					key = keys.CurrentCollections + "/" + db + "/" + cid
					pre = map[string]any{keys.PlanCollection(db, cid): agencyclient.OldEmpty(true), key: agencyclient.Exactly(shards)}
				}
				txs = append(txs, p.report(key, agencyclient.Delete(), pre))
			}
		}
	}
	return txs
}

// reportDatabases tells Current which databases this server knows.
func (p plan) reportDatabases() ([]agencyclient.Tx, error) {
	var txs []agencyclient.Tx
	for name, node := range p.root.At(keys.PlanDatabases).Children() {
		var db keys.Database
		if err := node.Decode(&db); err != nil {
			return nil, fmt.Errorf("read %s: %w", keys.PlanDatabase(name), err)
		}
		key, want := keys.CurrentDatabase(name, p.me), keys.CurrentDatabaseReport{ID: db.ID, Name: name}
		var have keys.CurrentDatabaseReport
		if node := p.root.At(key); !node.Exists() || node.Decode(&have) != nil || have != want {
			txs = append(txs, p.report(key, agencyclient.Set(want), map[string]any{keys.PlanDatabase(name) + "/id": agencyclient.Old(db.ID)}))
		}
	}
	for name, servers := range p.root.At(keys.CurrentDatabases).Children() {
		inPlan := keys.PlanDatabase(name)
		if servers.At(p.me).Exists() && !p.root.At(inPlan).Exists() {
			key, pre := keys.CurrentDatabase(name, p.me), map[string]any{inPlan: agencyclient.OldEmpty(true)}
			if servers.Len() == 1 { // leave no empty folder
				key = keys.CurrentDatabases + "/" + name
				pre[key] = agencyclient.Exactly(servers)
			}
			txs = append(txs, p.report(key, agencyclient.Delete(), pre))
		}
	}
	return txs, nil
}

// report is one change of Current. It holds only in the epoch that this server
// has open, and as long as Plan says what the change answers to.
func (p plan) report(key string, op any, pre map[string]any) agencyclient.Tx {
	pre[keys.RestoreEpoch] = agencyclient.Exactly(p.root.At(keys.RestoreEpoch))
	return agencyclient.Tx{Ops: map[string]any{key: op, keys.CurrentVersion: agencyclient.Increment(1)}, Pre: pre}
}
