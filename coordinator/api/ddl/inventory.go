package ddl

import (
	"net/http"
	"strconv"

	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	"stasis/internal/rest"
)

// Inventory answers with the collections of a database, as Plan has them, and says of each
// whether the DB servers have carried that out.
type Inventory struct {
	Catalog *catalog.Catalog
}

// Routes returns the path that an Inventory answers.
func (i *Inventory) Routes() []rest.Route {
	return []rest.Route{{Method: "GET", Pattern: "/_api/replication/clusterInventory", Handler: i.serve}}
}

func (i *Inventory) serve(c *rest.Call) error {
	withSystem, err := c.Flag("includeSystem", true)
	if err != nil {
		return err
	}
	snap, err := i.Catalog.Sync(c.R.Context())
	if err != nil {
		return err
	}
	version, _ := snap.Node(keys.PlanVersion).Int()
	all := []rest.Fields{}
	for _, coll := range snap.Collections(c.DB) {
		if coll.IsSystem && !withSystem {
			continue
		}
		parameters := properties(coll)
		parameters["planId"], parameters["deleted"], parameters["shards"] = coll.ID, false, coll.Shards
		all = append(all, rest.Fields{
			"parameters": parameters, "indexes": []any{}, "planVersion": version, "isReady": snap.Led(coll), "allInSync": snap.InSync(coll),
		})
	}
	db, err := i.Catalog.Database(c.R.Context(), c.DB)
	if err != nil {
		return err
	}
	return c.Answer(http.StatusOK, rest.Fields{
		"collections": all, "views": []any{}, "properties": databaseProperties(db), "tick": strconv.FormatUint(snap.Index, 10), "state": "unused",
	})
}
