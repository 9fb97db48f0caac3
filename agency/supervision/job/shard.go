package job

import (
	"maps"
	"slices"
	"strings"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/fsm"
	"stasis/internal/failpoint"
)

// shard is one shard as Plan and Current have it. It is not changed once read.
type shard struct {
	db, cid, name, collection string
	building                  bool
	factor                    int // wanted replicas

	planned  []string // servers by Plan, leader first, without the mark of a resigned leader
	resigned bool     // the leader is to stop leading
	term     int64
	report   *keys.CurrentShardReport // nil: nobody ever served it
	synced   []string                 // in-sync set of the report, without the mark

	planWas, termWas, reportWas *fsm.Node
}

func (s *shard) leader() string     { return s.planned[0] }
func (s *shard) planKey() string    { return keys.PlanShard(s.db, s.cid, s.name) }
func (s *shard) termKey() string    { return keys.PlanTerm(s.db, s.cid, s.name) }
func (s *shard) currentKey() string { return keys.CurrentShard(s.db, s.cid, s.name) }
func (s *shard) lockKey() string    { return keys.ShardLocks + "/" + s.name }

// label names the shard for people.
func (s *shard) label() string { return s.name + " of " + s.db + "/" + s.collection }

// serves says that the planned leader has reported to serve in the planned term.
func (s *shard) serves() bool {
	return s.report != nil && int64(s.report.Term) == s.term &&
		len(s.report.Servers) > 0 && s.report.Servers[0] == s.leader()
}

// stopped says that the planned leader has reported to lead no longer.
func (s *shard) stopped() bool {
	return s.report != nil && int64(s.report.Term) == s.term &&
		len(s.report.Servers) > 0 && s.report.Servers[0] == keys.Resigned+s.leader()
}

// plan is a collection's entry of Plan, as far as it matters here.
type plan struct {
	Name              string              `json:"name"`
	ReplicationFactor int                 `json:"replicationFactor"`
	Shards            map[string][]string `json:"shards"`
	IsBuilding        bool                `json:"isBuilding"`
}

// readShards reads what Plan and Current say of every shard. Nodes never change: a
// collection whose entry and reports are the same nodes as in the last pass is what it was.
func (v *view) readShards() {
	now := map[*fsm.Node]collection{}
	for db, collections := range v.root.At(keys.PlanCollections).Children() {
		for cid, entry := range collections.Children() {
			reports := v.root.At(keys.CurrentCollections + "/" + db + "/" + cid)
			c, ok := v.watch.collections[entry]
			if !ok || c.reports != reports || c.key != db+"/"+cid {
				c = readCollection(db, cid, entry, reports)
			}
			now[entry] = c
			for _, s := range c.shards {
				v.count(s)
			}
		}
	}
	v.watch.collections = now
}

// collection is a collection's shards, read from these reports (and the entry of
// Plan under which it is kept).
type collection struct {
	key     string
	reports *fsm.Node
	shards  []*shard
}

// readCollection reads a collection; one that was not written by one of ours has
// no shards, for there is nothing that could be done about it.
func readCollection(db, cid string, entry, reports *fsm.Node) collection {
	c := collection{key: db + "/" + cid, reports: reports}
	var p plan
	if entry.Decode(&p) != nil {
		return c
	}
	for _, name := range slices.Sorted(maps.Keys(p.Shards)) {
		if len(p.Shards[name]) == 0 {
			continue
		}
		s := &shard{
			db: db, cid: cid, name: name, collection: p.Name, building: p.IsBuilding, factor: p.ReplicationFactor,
			planned: p.Shards[name], planWas: entry.At("shards/" + name), termWas: entry.At("shardTerms/" + name),
			reportWas: reports.At(name),
		}
		s.planned[0], s.resigned = strings.CutPrefix(s.planned[0], keys.Resigned)
		s.term, _ = s.termWas.Int()
		var r keys.CurrentShardReport
		if s.reportWas.Decode(&r) == nil {
			s.report = &r
			for _, id := range r.Servers {
				s.synced = append(s.synced, strings.TrimPrefix(id, keys.Resigned))
			}
		}
		c.shards = append(c.shards, s)
	}
	return c
}

// count takes a shard into the view.
func (v *view) count(s *shard) {
	v.shards = append(v.shards, s)
	v.named[s.name] = s
	v.leads[s.leader()]++
	for _, id := range s.planned {
		v.holds[id]++
	}
}

// replan changes a shard's servers, and with them its term, if both are as read.
func (s *shard) replan(tx *agencyclient.Tx, servers []string, term int64) {
	tx.Ops[s.planKey()] = servers
	tx.Ops[keys.PlanVersion] = agencyclient.Increment(1)
	tx.Pre[s.planKey()] = agencyclient.Exactly(s.planWas)
	if failpoint.Off("plan-as-it-was-read") {
		delete(tx.Pre, s.planKey())
	}
	tx.Pre[s.termKey()] = agencyclient.Exactly(s.termWas)
	if term != s.term {
		tx.Ops[s.termKey()] = term
	}
}

// reported is the precondition that the shard's report is as read.
func (s *shard) reported(tx *agencyclient.Tx) {
	if !failpoint.Off("successor-by-report") {
		tx.Pre[s.currentKey()] = agencyclient.Exactly(s.reportWas)
	}
}

// unlocked is the precondition that no job has the shard for itself.
func (s *shard) unlocked(tx *agencyclient.Tx) { tx.Pre[s.lockKey()] = agencyclient.OldEmpty(true) }

func without(list []string, id string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(other string) bool { return other == id })
}
