package ddl

import (
	"net/http"

	"stasis/coordinator/api/users"
	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// Databases answers requests on databases.
type Databases struct {
	Catalog *catalog.Catalog
}

// Routes returns the paths that Databases answers.
func (d *Databases) Routes() []rest.Route {
	return []rest.Route{
		{Method: "GET", Pattern: "/_api/database", Handler: rest.InSystem(d.list)},
		{Method: "GET", Pattern: "/_api/database/user", Handler: d.list},
		{Method: "GET", Pattern: "/_api/database/current", Handler: d.current},
		{Method: "POST", Pattern: "/_api/database", Handler: rest.InSystem(d.create)},
		{Method: "DELETE", Pattern: "/_api/database/{name}", Handler: rest.InSystem(d.drop)},
	}
}

func (d *Databases) list(c *rest.Call) error {
	return c.Result(http.StatusOK, d.Catalog.SyncOrCached(c.R.Context()).Databases())
}

func (d *Databases) current(c *rest.Call) error {
	db, err := d.Catalog.Database(c.R.Context(), c.DB)
	if err != nil {
		return err
	}
	return c.Result(http.StatusOK, databaseProperties(db))
}

func (d *Databases) create(c *rest.Call) error {
	var body struct {
		Name    string `json:"name"`
		Options struct {
			placementOptions
			Sharding string `json:"sharding"`
		} `json:"options"`
		Users []users.New `json:"users"`
	}
	if err := c.Object(&body); err != nil {
		return err
	}
	if err := users.RefusePasswords(body.Users); err != nil {
		return err
	}
	if err := catalog.CheckDatabaseName(body.Name); err != nil {
		return err
	}
	if s := body.Options.Sharding; s != "" && s != "flexible" && s != "single" {
		return apierror.New(apierror.BadParameter, "sharding %q is unknown: want flexible or single", s)
	}
	replication, err := body.Options.replication()
	if err != nil {
		return err
	}
	spec := catalog.DatabaseSpec{Name: body.Name, Sharding: body.Options.Sharding, Replication: replication}
	if err := d.Catalog.CreateDatabase(c.R.Context(), spec); err != nil {
		return err
	}
	return c.Result(http.StatusCreated, true)
}

func (d *Databases) drop(c *rest.Call) error {
	if c.Arg(0) == rest.SystemDatabase {
		return apierror.New(apierror.Forbidden, "forbidden: the database _system cannot be dropped")
	}
	if err := d.Catalog.DropDatabase(c.R.Context(), c.Arg(0)); err != nil {
		return err
	}
	return c.Result(http.StatusOK, true)
}
