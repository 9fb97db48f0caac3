package catalog

import (
	"context"
	"strconv"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/apierror"
	"stasis/internal/shardkey"
)

// Types of collections.
const (
	TypeDocument = 2
	TypeEdge     = 3
)

// CollectionSpec is what a client chooses when it creates a collection. Zero
// fields take the defaults.
type CollectionSpec struct {
	Name           string
	Type           int
	IsSystem       bool
	WaitForSync    bool
	CacheEnabled   bool
	NumberOfShards int
	ShardKeys      []string // nil: the document's key
	DenyUserKeys   bool
	Replication    Replication // what is not chosen comes from the database

	Sparse bool // accept fewer DB servers than the replication factor asks for
	NoWait bool // do not wait until followers are in sync
}

func (c *Catalog) check(s *CollectionSpec) error {
	if err := CheckCollectionName(s.Name, s.IsSystem); err != nil {
		return err
	}
	if s.Type == 0 {
		s.Type = TypeDocument
	}
	if s.Type != TypeDocument && s.Type != TypeEdge {
		return apierror.New(apierror.CollectionTypeBad, "collection type %d is invalid: 2 (documents) or 3 (edges)", s.Type)
	}
	if s.NumberOfShards == 0 {
		s.NumberOfShards = 1
	}
	if s.NumberOfShards < 0 {
		return apierror.New(apierror.BadParameter, "numberOfShards %d is not positive", s.NumberOfShards)
	}
	if s.NumberOfShards > c.o.MaxShards {
		return apierror.New(apierror.TooManyShards, "too many shards: %d, at most %d are allowed", s.NumberOfShards, c.o.MaxShards)
	}
	if s.ShardKeys == nil {
		s.ShardKeys = []string{shardkey.Default}
	}
	var err error
	s.ShardKeys, err = shardkey.Check(s.ShardKeys)
	return err
}

// CreateCollection creates a collection and returns when this coordinator serves it.
func (c *Catalog) CreateCollection(ctx context.Context, db string, spec CollectionSpec) (*Collection, error) {
	if err := c.check(&spec); err != nil {
		return nil, err
	}
	ctx, cancel := c.bounded(ctx, 2*c.o.ThawWait+c.o.ReportWait+c.o.SyncWait)
	defer cancel()
	b := &building{what: "collection " + spec.Name, failed: apierror.CreateCollCurrent}
	b.reported = func(snap *Snapshot) (bool, error) { return snap.led(snap.dir.byID[db][b.id]) }
	snap, err := c.create(ctx, b, func(snap *Snapshot) (agencyclient.Tx, error) {
		in, ok := snap.database(db)
		if !ok {
			return agencyclient.Tx{}, noDatabase(db)
		}
		if snap.dir.byName[db][spec.Name] != nil {
			return agencyclient.Tx{}, apierror.New(apierror.DuplicateName, "duplicate name: collection '%s' exists", spec.Name)
		}
		planned, err := c.plan(ctx, snap, in, spec)
		if err != nil {
			return agencyclient.Tx{}, err
		}
		b.id, b.key = planned.ID, keys.PlanCollection(db, planned.ID)
		return agencyclient.Tx{Ops: map[string]any{b.key: agencyclient.Set(planned)}}, nil
	})
	if err != nil {
		return nil, err
	}
	if !spec.NoWait {
		c.awaitInSync(ctx, db, b.id)
	}
	return snap.Find(db, b.id)
}

// plan gives the collection and its shards their ids and places the shards.
func (c *Catalog) plan(ctx context.Context, snap *Snapshot, in *Database, spec CollectionSpec) (keys.Collection, error) {
	r := spec.Replication.or(in.Replication())
	if err := r.check(); err != nil {
		return keys.Collection{}, err
	}
	replicas := r.Factor
	if spec.Sparse {
		replicas = max(min(replicas, len(snap.Available())), 1)
	}
	placed, err := placeIn(snap, in, spec.NumberOfShards, replicas)
	if err != nil {
		return keys.Collection{}, err
	}
	id, err := c.NextID(ctx, snap.Epoch)
	if err != nil {
		return keys.Collection{}, err
	}
	coll := keys.Collection{
		ID: strconv.FormatUint(id, 10), Name: spec.Name, Type: spec.Type, IsSystem: spec.IsSystem,
		NumberOfShards: spec.NumberOfShards, ReplicationFactor: r.Factor, WriteConcern: r.Concern, MinReplicationFactor: r.Concern,
		ShardKeys: spec.ShardKeys, ShardingStrategy: "hash",
		WaitForSync: spec.WaitForSync, CacheEnabled: spec.CacheEnabled,
		KeyOptions: keys.KeyOptions{Type: "traditional", AllowUserKeys: !spec.DenyUserKeys},
		Indexes:    []keys.Index{{ID: "0", Type: "primary", Name: "primary", Fields: []string{"_key"}, Unique: true}},
		Shards:     map[string][]string{}, ShardTerms: map[string]uint64{}, IsBuilding: true,
	}
	coll.Coordinator, coll.CoordinatorRebootID = c.mark()
	for _, servers := range placed {
		n, err := c.NextID(ctx, snap.Epoch)
		if err != nil {
			return keys.Collection{}, err
		}
		shard := keys.ShardName(n)
		coll.Shards[shard], coll.ShardTerms[shard] = servers, 1
	}
	return coll, nil
}

// DropCollection removes a collection by name or id, and returns its id.
func (c *Catalog) DropCollection(ctx context.Context, db, name string, system bool) (string, error) {
	ctx, cancel := c.bounded(ctx, c.o.ThawWait+c.o.ReportWait)
	defer cancel()
	var id string
	_, err := c.change(ctx, func(snap *Snapshot) (agencyclient.Tx, error) {
		coll, err := snap.Find(db, name)
		if err != nil {
			return agencyclient.Tx{}, err
		}
		if coll.IsSystem && !system {
			return agencyclient.Tx{}, apierror.New(apierror.Forbidden, "forbidden: %s is a system collection", coll.Name)
		}
		id = coll.ID
		return agencyclient.Tx{Ops: map[string]any{keys.PlanCollection(db, id): agencyclient.Delete()}}, nil
	})
	if err == nil {
		c.o.Logger.Info("dropped", "what", "collection "+name, "id", id)
	}
	return id, err
}

// CollectionChange is what of a collection may be changed later. Nil leaves a property as it is.
type CollectionChange struct {
	WaitForSync  *bool
	CacheEnabled *bool
	Replication  Replication // zero fields stay as they are
}

// ChangeCollection sets properties. The supervision adds or removes replicas later, if the
// replication factor changes.
func (c *Catalog) ChangeCollection(ctx context.Context, db, name string, change CollectionChange) (*Collection, error) {
	ctx, cancel := c.bounded(ctx, c.o.ThawWait+c.o.ReportWait)
	defer cancel()
	var id string
	snap, err := c.change(ctx, func(snap *Snapshot) (agencyclient.Tx, error) {
		coll, err := snap.Find(db, name)
		if err != nil {
			return agencyclient.Tx{}, err
		}
		id = coll.ID
		ops, err := change.replication(snap, coll)
		if err != nil {
			return agencyclient.Tx{}, err
		}
		key := keys.PlanCollection(db, id)
		if change.WaitForSync != nil {
			ops[key+"/waitForSync"] = agencyclient.Set(*change.WaitForSync)
		}
		if change.CacheEnabled != nil {
			ops[key+"/cacheEnabled"] = agencyclient.Set(*change.CacheEnabled)
		}
		return agencyclient.Tx{Ops: ops}, nil
	})
	if err != nil {
		return nil, err
	}
	return snap.Find(db, id)
}

// replication returns the operations that change how many replicas a collection has.
func (ch CollectionChange) replication(snap *Snapshot, coll *Collection) (map[string]any, error) {
	ops, key := map[string]any{}, keys.PlanCollection(coll.Database, coll.ID)
	is, want := coll.Replication, ch.Replication
	if want == (Replication{}) {
		return ops, nil
	}
	if want.Factor == 0 {
		want.Factor = is.Factor
	}
	if want.Concern == 0 {
		want.Concern = is.Concern
	}
	if err := want.check(); err != nil {
		return nil, err
	}
	if want.Factor > is.Factor && want.Factor > len(snap.Available()) {
		return nil, tooFew(snap, want.Factor)
	}
	ops[key+"/replicationFactor"] = agencyclient.Set(want.Factor)
	ops[key+"/writeConcern"] = agencyclient.Set(want.Concern)
	ops[key+"/minReplicationFactor"] = agencyclient.Set(want.Concern)
	return ops, nil
}

// awaitInSync waits until the replicas of a collection are in sync, at most Options.SyncWait.
// That they are late is not an error: the collection exists.
func (c *Catalog) awaitInSync(ctx context.Context, db, id string) {
	ctx, cancel := context.WithTimeout(ctx, c.o.SyncWait)
	defer cancel()
	_, err := c.Await(ctx, func(snap *Snapshot) bool {
		coll := snap.dir.byID[db][id]
		return coll == nil || snap.healthyInSync(coll)
	})
	if err != nil {
		c.o.Logger.Warn("followers of a new collection are not in sync yet", "database", db, "collection", id, "waited", c.o.SyncWait)
	}
}
