package catalog

import (
	"cmp"
	"slices"
	"strings"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/shardkey"
)

// shardingSingle is the sharding of a database all of whose collections have one shard.
const shardingSingle = "single"

// Database is a database in Plan. It does not change.
type Database struct {
	keys.Database
	node *agencyclient.Node
}

// Replication is the default of the database's collections.
func (d *Database) Replication() Replication {
	return Replication{}.or(Replication{Factor: d.ReplicationFactor, Concern: d.WriteConcern})
}

// Collection is a collection in Plan. It does not change; a later Snapshot may have another
// one of the same name.
type Collection struct {
	Database             string
	ID                   string
	Name                 string
	Type                 int // TypeDocument or TypeEdge
	IsSystem             bool
	Replication          Replication
	MinReplicationFactor int // the older name of the write concern, as Plan has it
	ShardKeys            []string
	ShardingStrategy     string
	WaitForSync          bool
	CacheEnabled         bool
	KeyOptions           keys.KeyOptions
	Indexes              []keys.Index
	ShardNames           []string            // in the order of their numbers, by which documents are spread
	Shards               map[string][]string // shard → servers, leader first
	ShardTerms           map[string]uint64   // shard → term of its leadership

	building bool // clients do not see it yet
	node     *agencyclient.Node
}

// SpreadBy returns the attributes that decide on which shard a document is, nil if its key alone does.
func (c *Collection) SpreadBy() shardkey.Keys { return shardkey.Of(c.ShardKeys) }

// directory is Plan decoded. It is kept as long as the tree's node is the same, and the
// next one takes over what has not changed.
type directory struct {
	plan      *agencyclient.Node
	databases map[string]*Database
	byID      map[string]map[string]*Collection // database → id, those being built included
	byName    map[string]map[string]*Collection // the same by name
}

// decode reads Plan. What does not decode does not exist for clients.
func decode(plan *agencyclient.Node, old *directory) *directory {
	d := &directory{plan: plan, databases: map[string]*Database{}, byID: map[string]map[string]*Collection{}, byName: map[string]map[string]*Collection{}}
	for name, node := range plan.At(below(keys.PlanDatabases)).Children() {
		if old != nil && old.databases[name] != nil && old.databases[name].node == node {
			d.databases[name] = old.databases[name]
			continue
		}
		db := &Database{node: node}
		if node.Decode(&db.Database) != nil {
			continue
		}
		d.databases[name] = db
	}
	for db, collections := range plan.At(below(keys.PlanCollections)).Children() {
		d.byID[db], d.byName[db] = map[string]*Collection{}, map[string]*Collection{}
		for id, node := range collections.Children() {
			coll := decodeCollection(db, id, node, old)
			if coll == nil {
				continue
			}
			d.byID[db][id], d.byName[db][coll.Name] = coll, coll
		}
	}
	return d
}

// below is a key of Plan relative to Plan.
func below(key string) string { return strings.TrimPrefix(key, keys.Plan+"/") }

func decodeCollection(db, id string, node *agencyclient.Node, old *directory) *Collection {
	if old != nil && old.byID[db][id] != nil && old.byID[db][id].node == node {
		return old.byID[db][id]
	}
	var planned keys.Collection
	if node.Decode(&planned) != nil {
		return nil
	}
	coll := &Collection{
		Database: db, ID: planned.ID, Name: planned.Name, Type: planned.Type, IsSystem: planned.IsSystem,
		Replication:          Replication{}.or(Replication{Factor: planned.ReplicationFactor, Concern: planned.WriteConcern}),
		MinReplicationFactor: planned.MinReplicationFactor,
		ShardKeys:            planned.ShardKeys, ShardingStrategy: planned.ShardingStrategy,
		WaitForSync: planned.WaitForSync, CacheEnabled: planned.CacheEnabled, KeyOptions: planned.KeyOptions, Indexes: planned.Indexes,
		Shards: planned.Shards, ShardTerms: planned.ShardTerms, building: planned.IsBuilding, node: node,
	}
	for shard := range coll.Shards {
		coll.ShardNames = append(coll.ShardNames, shard)
	}
	slices.SortFunc(coll.ShardNames, byNumber)
	return coll
}

// byNumber orders shard names by their numbers: s9 before s10.
func byNumber(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
