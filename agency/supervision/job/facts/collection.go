package facts

import (
	"maps"
	"slices"
	"strings"

	"stasis/agency/keys"
	"stasis/fsm"
)

// Cache keeps the decoded collections of the last tree. A pass over ten thousand shards would
// otherwise decode all of them every second. The zero Cache is empty.
type Cache struct {
	collections map[string]collection // by database/id
}

// collection is the shards of a collection, and the two nodes from which they were read.
type collection struct {
	entry, reports *fsm.Node // of Plan, and of Current
	shards         []*Shard
}

// read gives the shards of a tree. Nodes never change: a collection whose two nodes are those
// of the last tree is what it was.
func (c *Cache) read(root *fsm.Node) (shards []*Shard) {
	now := make(map[string]collection, len(c.collections))
	for db, collections := range root.At(keys.PlanCollections).Children() {
		for cid, entry := range collections.Children() {
			key := db + "/" + cid
			reports := root.At(keys.CurrentCollections + "/" + key)
			known, ok := c.collections[key]
			if !ok || known.entry != entry || known.reports != reports {
				known = readCollection(db, cid, entry, reports)
			}
			now[key] = known
			shards = append(shards, known.shards...)
		}
	}
	c.collections = now
	return shards
}

// planned is a collection's entry of Plan, as far as it matters here.
type planned struct {
	Name              string              `json:"name"`
	ReplicationFactor int                 `json:"replicationFactor"`
	Shards            map[string][]string `json:"shards"`
	IsBuilding        bool                `json:"isBuilding"`
}

// readCollection reads a collection. An entry that is no collection has no shards: the
// supervision can do nothing about it. A shard without servers is left out for that reason too.
func readCollection(db, cid string, entry, reports *fsm.Node) collection {
	c := collection{entry: entry, reports: reports}
	var p planned
	if entry.Decode(&p) != nil {
		return c
	}
	for _, name := range slices.Sorted(maps.Keys(p.Shards)) {
		if len(p.Shards[name]) == 0 {
			continue
		}
		s := &Shard{
			DB: db, CID: cid, Name: name, Collection: p.Name, Building: p.IsBuilding, Factor: p.ReplicationFactor,
			Servers: p.Shards[name], PlanNode: entry.At("shards/" + name), TermNode: entry.At("shardTerms/" + name),
			ReportNode: reports.At(name),
		}
		s.Servers[0], s.Resigned = strings.CutPrefix(s.Servers[0], keys.Resigned)
		s.Term, _ = s.TermNode.Int()
		s.readReport()
		c.shards = append(c.shards, s)
	}
	return c
}

func (s *Shard) readReport() {
	var r keys.CurrentShardReport
	if s.ReportNode.Decode(&r) != nil {
		return
	}
	s.Report = &r
	for _, id := range r.Servers {
		s.InSync = append(s.InSync, strings.TrimPrefix(id, keys.Resigned))
	}
}
