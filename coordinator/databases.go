package coordinator

import (
	"net/http"

	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

func (a *api) databaseRoutes() []rest.Route {
	return []rest.Route{
		{Method: "GET", Pattern: "/_api/database", Handler: inSystem(a.listDatabases)},
		{Method: "GET", Pattern: "/_api/database/user", Handler: a.listDatabases},
		{Method: "GET", Pattern: "/_api/database/current", Handler: a.currentDatabase},
		{Method: "POST", Pattern: "/_api/database", Handler: inSystem(a.createDatabase)},
		{Method: "DELETE", Pattern: "/_api/database/{name}", Handler: inSystem(a.dropDatabase)},
	}
}

// inSystem lets a request pass only in the database _system.
func inSystem(h rest.Handler) rest.Handler {
	return func(c *rest.Call) error {
		if c.DB != rest.SystemDatabase {
			return apierror.New(apierror.UseSystemDatabase, "operation only allowed in system database")
		}
		return h(c)
	}
}

func (a *api) listDatabases(c *rest.Call) error {
	snap, err := a.catalog.Sync(c.R.Context())
	if err != nil {
		snap = a.catalog.Cached() // better somewhat old than not at all
	}
	return c.Result(http.StatusOK, snap.Databases())
}

func (a *api) currentDatabase(c *rest.Call) error {
	f, err := a.databaseFields(c)
	if err != nil {
		return err
	}
	return c.Result(http.StatusOK, f)
}

// databaseFields are all attributes of the database that a request speaks of.
func (a *api) databaseFields(c *rest.Call) (rest.Fields, error) {
	db, err := a.catalog.Database(c.R.Context(), c.DB)
	if err != nil {
		return nil, err
	}
	r := db.Replication()
	return rest.Fields{
		"id": db.ID, "name": db.Name, "isSystem": db.Name == rest.SystemDatabase, "path": "",
		"sharding": db.Sharding, "replicationFactor": r.Factor, "writeConcern": r.Concern,
	}, nil
}

func (a *api) createDatabase(c *rest.Call) error {
	var body struct {
		Name    string `json:"name"`
		Options struct {
			placementOptions
			Sharding string `json:"sharding"`
		} `json:"options"`
		Users []newUser `json:"users"`
	}
	if err := c.Object(&body); err != nil {
		return err
	}
	if err := refusePasswords(body.Users); err != nil {
		return err
	}
	if err := catalog.CheckDatabaseName(body.Name); err != nil {
		return err
	}
	if s := body.Options.Sharding; s != "" && s != "flexible" && s != "single" {
		return apierror.New(apierror.BadParameter, "sharding %q is unknown: flexible or single", s)
	}
	replication, err := body.Options.replication()
	if err != nil {
		return err
	}
	spec := catalog.DatabaseSpec{Name: body.Name, Sharding: body.Options.Sharding, Replication: replication}
	if err := a.catalog.CreateDatabase(c.R.Context(), spec); err != nil {
		return err
	}
	return c.Result(http.StatusCreated, true)
}

func (a *api) dropDatabase(c *rest.Call) error {
	if c.Arg(0) == rest.SystemDatabase {
		return apierror.New(apierror.Forbidden, "forbidden: the database _system cannot be dropped")
	}
	if err := a.catalog.DropDatabase(c.R.Context(), c.Arg(0)); err != nil {
		return err
	}
	return c.Result(http.StatusOK, true)
}
