package catalog

import (
	"context"
	"strconv"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/apierror"
)

// DatabaseSpec is what a client chooses when it creates a database.
type DatabaseSpec struct {
	Name        string
	Sharding    string
	Replication Replication // the default of its collections
}

// CreateDatabase creates a database and returns when this coordinator serves it.
func (c *Catalog) CreateDatabase(ctx context.Context, spec DatabaseSpec) error {
	if err := CheckDatabaseName(spec.Name); err != nil {
		return err
	}
	r := spec.Replication.or(Replication{})
	if err := r.check(); err != nil {
		return err
	}
	ctx, cancel := c.bounded(ctx, 2*c.o.ThawWait+c.o.ReportWait)
	defer cancel()
	b := &building{
		what:   "database " + spec.Name,
		key:    keys.PlanDatabase(spec.Name),
		failed: apierror.CreateDatabase,
		also:   planKeysOf(spec.Name),
	}
	b.reported = func(snap *Snapshot) (bool, error) { return snap.databaseReported(spec.Name, b.id) }
	_, err := c.create(ctx, b, func(snap *Snapshot) (agencyclient.Tx, error) {
		if snap.root.At(b.key).Exists() {
			return agencyclient.Tx{}, apierror.New(apierror.DuplicateName, "duplicate database name '%s'", spec.Name)
		}
		if r.Factor > len(snap.DBServers()) && r.Factor > 1 {
			return agencyclient.Tx{}, tooFew(snap, r.Factor)
		}
		n, err := c.NextID(ctx, snap.Epoch)
		if err != nil {
			return agencyclient.Tx{}, err
		}
		b.id = strconv.FormatUint(n, 10)
		db := keys.Database{ID: b.id, Name: spec.Name, Sharding: spec.Sharding, ReplicationFactor: r.Factor, WriteConcern: r.Concern, IsBuilding: true}
		db.Coordinator, db.CoordinatorRebootID = c.mark()
		return agencyclient.Tx{Ops: map[string]any{
			b.key:                                  agencyclient.Set(db),
			keys.PlanCollections + "/" + spec.Name: agencyclient.Set(map[string]any{}),
		}}, nil
	})
	return err
}

// DropDatabase removes a database with all its collections.
func (c *Catalog) DropDatabase(ctx context.Context, name string) error {
	ctx, cancel := c.bounded(ctx, c.o.ThawWait+c.o.ReportWait)
	defer cancel()
	_, err := c.change(ctx, func(snap *Snapshot) (agencyclient.Tx, error) {
		if _, ok := snap.database(name); !ok {
			return agencyclient.Tx{}, noDatabase(name)
		}
		ops := map[string]any{keys.PlanDatabase(name): agencyclient.Delete()}
		for _, key := range planKeysOf(name) {
			ops[key] = agencyclient.Delete()
		}
		return agencyclient.Tx{Ops: ops}, nil
	})
	if err == nil {
		c.o.Logger.Info("dropped", "what", "database "+name)
	}
	return err
}

// planKeysOf are the keys of a database beside its entry.
func planKeysOf(db string) []string { return []string{keys.PlanCollections + "/" + db} }
