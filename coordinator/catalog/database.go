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

// CreateDatabase makes a database and returns when this coordinator serves it.
func (c *Catalog) CreateDatabase(ctx context.Context, spec DatabaseSpec) error {
	if err := CheckDatabaseName(spec.Name); err != nil {
		return err
	}
	r := spec.Replication.or(Replication{})
	if err := r.check(); err != nil {
		return err
	}
	ctx, cancel := c.bounded(ctx, 2*c.deps.Thaw+c.deps.Wait)
	defer cancel()
	b := &building{
		what:   "database " + spec.Name,
		key:    keys.PlanDatabase(spec.Name),
		failed: apierror.CreateDatabase,
		also:   planKeysOf(spec.Name),
	}
	b.reported = func(v *View) (bool, error) { return databaseReported(v, spec.Name, b.id) }
	_, err := c.create(ctx, b, func(v *View) (agencyclient.Tx, error) {
		if v.root.At(b.key).Exists() {
			return agencyclient.Tx{}, apierror.New(apierror.DuplicateName, "duplicate database name '%s'", spec.Name)
		}
		if r.Factor > len(v.DBServers()) && r.Factor > 1 {
			return agencyclient.Tx{}, tooFew(v, r.Factor)
		}
		n, err := c.NextID(ctx, v.Epoch)
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

// databaseReported says whether every DB server that has not failed knows the database.
func databaseReported(v *View, name, id string) (bool, error) {
	for _, server := range v.DBServers() {
		var r keys.CurrentDatabaseReport
		err := v.root.At(keys.CurrentDatabase(name, server)).Decode(&r)
		switch {
		case err == nil && r.ID == id && r.Error:
			return false, reportError(r.ErrorNum, r.ErrorMessage, server)
		case err == nil && r.ID == id, v.Failed(server):
		default:
			return false, nil
		}
	}
	return true, nil
}

// DropDatabase removes a database with all its collections.
func (c *Catalog) DropDatabase(ctx context.Context, name string) error {
	ctx, cancel := c.bounded(ctx, c.deps.Thaw+c.deps.Wait)
	defer cancel()
	_, err := c.change(ctx, func(v *View) (agencyclient.Tx, error) {
		if _, ok := v.Database(name); !ok {
			return agencyclient.Tx{}, noDatabase(name)
		}
		ops := map[string]any{keys.PlanDatabase(name): agencyclient.Delete()}
		for _, key := range planKeysOf(name) {
			ops[key] = agencyclient.Delete()
		}
		return agencyclient.Tx{Ops: ops}, nil
	})
	if err == nil {
		c.deps.Logger.Info("dropped", "what", "database "+name)
	}
	return err
}
