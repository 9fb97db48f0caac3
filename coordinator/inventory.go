package coordinator

import (
	"net/http"
	"strconv"

	"stasis/agency/keys"
	"stasis/internal/rest"
)

// inventory lists the collections of a database with all that Plan says of them,
// and whether that has come true.
func (a *api) inventory(c *rest.Call) error {
	withSystem, err := c.Flag("includeSystem", true)
	if err != nil {
		return err
	}
	snap, err := a.catalog.Sync(c.R.Context())
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
	db, err := a.databaseFields(c)
	if err != nil {
		return err
	}
	return c.Answer(http.StatusOK, rest.Fields{
		"collections": all, "views": []any{}, "properties": db, "tick": strconv.FormatUint(snap.Index, 10), "state": "unused",
	})
}
