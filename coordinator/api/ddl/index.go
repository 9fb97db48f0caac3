package ddl

import (
	"net/http"

	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// indexNotFound is the number for an index that does not exist.
const indexNotFound apierror.Num = 1212

// Indexes answers requests on indexes. The primary index is the only kind.
type Indexes struct {
	Catalog *catalog.Catalog
}

// Routes returns the paths that Indexes answers.
func (x *Indexes) Routes() []rest.Route {
	return []rest.Route{
		{Method: "GET", Pattern: "/_api/index", Handler: x.list},
		{Method: "GET", Pattern: "/_api/index/{collection}/{id}", Handler: x.show},
		{Method: "POST", Pattern: "/_api/index", Handler: rest.NotSupported("indexes other than the primary one are")},
		{Method: "DELETE", Pattern: "/_api/index/{collection}/{id}", Handler: rest.NotSupported("dropping indexes is")},
	}
}

func (x *Indexes) list(c *rest.Call) error {
	name := c.R.URL.Query().Get("collection")
	if name == "" {
		return apierror.New(apierror.BadParameter, "which collection? the path is /_api/index?collection=<name>")
	}
	_, coll, err := x.Catalog.Collection(c.R.Context(), c.DB, name)
	if err != nil {
		return err
	}
	indexes, identifiers := []rest.Fields{}, rest.Fields{}
	for _, index := range coll.Indexes {
		f := indexBody(coll, index)
		indexes = append(indexes, f)
		identifiers[f["id"].(string)] = f
	}
	return c.OK(http.StatusOK, rest.Fields{"indexes": indexes, "identifiers": identifiers})
}

func (x *Indexes) show(c *rest.Call) error {
	_, coll, err := x.Catalog.Collection(c.R.Context(), c.DB, c.Arg(0))
	if err != nil {
		return err
	}
	for _, index := range coll.Indexes {
		if index.ID == c.Arg(1) || index.Name == c.Arg(1) {
			return c.OK(http.StatusOK, indexBody(coll, index))
		}
	}
	return apierror.New(indexNotFound, "collection %s has no index %s", coll.Name, c.Arg(1))
}

func indexBody(coll *catalog.Collection, index keys.Index) rest.Fields {
	return rest.Fields{
		"id": coll.Name + "/" + index.ID, "type": index.Type, "name": index.Name,
		"fields": index.Fields, "unique": index.Unique, "sparse": index.Sparse, "selectivityEstimate": 1,
	}
}
