package dbserver

import (
	"fmt"
	"maps"
	"slices"

	agency "stasis/agency/client"
	"stasis/agency/keys"
)

// work is what must be done so that this server is as Plan wants it.
type work struct {
	create  map[string]uint64 // shard → term; also shards whose term is too low
	drop    []string
	reports []agency.Tx
}

// view is what one server sees when it compares Plan, Current and itself.
type view struct {
	root   *agency.Node
	me     string
	epoch  uint64            // of the data that is open
	shards map[string]uint64 // here, with their terms
}

// planWork compares. It is a pure function and its result may be carried out any
// number of times, or not at all: what is still missing turns up in the next one.
func planWork(v view) (work, error) {
	w := work{create: map[string]uint64{}}
	planned, err := v.planned()
	if err != nil {
		return work{}, err
	}
	for _, p := range planned {
		if term, here := v.shards[p.shard]; p.leads && (!here || term < p.term) {
			w.create[p.shard] = p.term
		}
	}
	here := map[string]bool{}
	for _, p := range planned {
		here[p.shard] = true
	}
	for _, name := range slices.Sorted(maps.Keys(v.shards)) {
		if !here[name] {
			w.drop = append(w.drop, name)
		}
	}
	for _, p := range planned {
		if p.leads {
			w.reports = append(w.reports, v.reportShard(p)...)
		}
	}
	w.reports = append(w.reports, v.forgetShards()...)
	databases, err := v.reportDatabases()
	w.reports = append(w.reports, databases...)
	return w, err
}

// assignment is a shard that Plan gives this server.
type assignment struct {
	database, collection, shard string
	servers                     []string
	term                        uint64
	indexes                     []keys.Index
	leads                       bool
}

// planned lists the shards that have this server among theirs.
func (v view) planned() ([]assignment, error) {
	var all []assignment
	for db, collections := range v.root.At(keys.PlanCollections).Children() {
		for cid, node := range collections.Children() {
			var c keys.Collection
			if err := node.Decode(&c); err != nil {
				return nil, fmt.Errorf("read %s: %w", keys.PlanCollection(db, cid), err)
			}
			for _, name := range slices.Sorted(maps.Keys(c.Shards)) {
				servers := c.Shards[name]
				if slices.Contains(servers, v.me) {
					all = append(all, assignment{database: db, collection: cid, shard: name, servers: servers,
						term: c.ShardTerms[name], indexes: c.Indexes, leads: servers[0] == v.me})
				}
			}
		}
	}
	return all, nil
}

// reportShard tells Current that a shard is here, if it does not say so yet.
func (v view) reportShard(p assignment) []agency.Tx {
	want := keys.CurrentShardReport{Indexes: p.indexes, Servers: []string{v.me}, FailoverCandidates: []string{v.me}, Term: p.term}
	if want.Indexes == nil {
		want.Indexes = []keys.Index{}
	}
	key := keys.CurrentShard(p.database, p.collection, p.shard)
	if sameShardReport(v.root.At(key), want) {
		return nil
	}
	return []agency.Tx{v.report(key, agency.Set(want), map[string]any{
		keys.PlanCollection(p.database, p.collection) + "/shards/" + p.shard: agency.Old(p.servers),
	})}
}

func sameShardReport(node *agency.Node, want keys.CurrentShardReport) bool {
	var have keys.CurrentShardReport
	if !node.Exists() || node.Decode(&have) != nil {
		return false
	}
	sameIndex := func(a, b keys.Index) bool { return a.ID == b.ID && slices.Equal(a.Fields, b.Fields) }
	return have.Error == want.Error && slices.Equal(have.Servers, want.Servers) &&
		slices.Equal(have.FailoverCandidates, want.FailoverCandidates) && slices.EqualFunc(have.Indexes, want.Indexes, sameIndex)
}

// forgetShards takes from Current what this server said about shards that Plan
// no longer has.
func (v view) forgetShards() []agency.Tx {
	var txs []agency.Tx
	for db, collections := range v.root.At(keys.CurrentCollections).Children() {
		for cid, shards := range collections.Children() {
			for name, node := range shards.Children() {
				inPlan := keys.PlanCollection(db, cid) + "/shards/" + name
				var have keys.CurrentShardReport
				if v.root.At(inPlan).Exists() || node.Decode(&have) != nil || len(have.Servers) == 0 || have.Servers[0] != v.me {
					continue
				}
				key := keys.CurrentShard(db, cid, name)
				pre := map[string]any{inPlan: agency.OldEmpty(true)}
				if shards.Len() == 1 && !v.root.At(keys.PlanCollection(db, cid)).Exists() { // leave no empty folder
					key = keys.CurrentCollections + "/" + db + "/" + cid
					pre = map[string]any{keys.PlanCollection(db, cid): agency.OldEmpty(true), key: agency.Exactly(shards)}
				}
				txs = append(txs, v.report(key, agency.Delete(), pre))
			}
		}
	}
	return txs
}

// reportDatabases tells Current which databases this server knows.
func (v view) reportDatabases() ([]agency.Tx, error) {
	var txs []agency.Tx
	for name, node := range v.root.At(keys.PlanDatabases).Children() {
		var db keys.Database
		if err := node.Decode(&db); err != nil {
			return nil, fmt.Errorf("read %s: %w", keys.PlanDatabase(name), err)
		}
		key, want := keys.CurrentDatabase(name, v.me), keys.CurrentDatabaseReport{ID: db.ID, Name: name}
		var have keys.CurrentDatabaseReport
		if node := v.root.At(key); !node.Exists() || node.Decode(&have) != nil || have != want {
			txs = append(txs, v.report(key, agency.Set(want), map[string]any{keys.PlanDatabase(name) + "/id": agency.Old(db.ID)}))
		}
	}
	for name, servers := range v.root.At(keys.CurrentDatabases).Children() {
		inPlan := keys.PlanDatabase(name)
		if servers.At(v.me).Exists() && !v.root.At(inPlan).Exists() {
			key, pre := keys.CurrentDatabase(name, v.me), map[string]any{inPlan: agency.OldEmpty(true)}
			if servers.Len() == 1 { // leave no empty folder
				key = keys.CurrentDatabases + "/" + name
				pre[key] = agency.Exactly(servers)
			}
			txs = append(txs, v.report(key, agency.Delete(), pre))
		}
	}
	return txs, nil
}

// report is one change of Current. It holds only in the epoch that this server
// has open, and as long as Plan says what the change answers to.
func (v view) report(key string, op any, pre map[string]any) agency.Tx {
	pre[keys.RestoreEpoch] = agency.Exactly(v.root.At(keys.RestoreEpoch))
	return agency.Tx{Ops: map[string]any{key: op, keys.CurrentVersion: agency.Increment(1)}, Pre: pre}
}
