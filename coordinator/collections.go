package coordinator

import (
	"fmt"
	"net/http"

	"stasis/coordinator/catalog"
	"stasis/coordinator/document"
	"stasis/coordinator/route"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

func (a *api) collectionRoutes() []rest.Route {
	const one = "/_api/collection/{collection}"
	get := func(what string, h rest.Handler) rest.Route {
		return rest.Route{Method: "GET", Pattern: one + what, Handler: refuseTransaction(h)}
	}
	put := func(what string, h rest.Handler) rest.Route {
		return rest.Route{Method: "PUT", Pattern: one + what, Handler: refuseTransaction(h)}
	}
	return []rest.Route{
		{Method: "GET", Pattern: "/_api/collection", Handler: a.listCollections},
		{Method: "POST", Pattern: "/_api/collection", Handler: a.createCollection},
		{Method: "DELETE", Pattern: one, Handler: a.dropCollection},
		get("", a.showCollection(shortForm)),
		get("/properties", a.showCollection(properties)),
		put("/properties", a.changeCollection),
		get("/count", a.countCollection(func(n uint64, _ string) rest.Fields { return rest.Fields{"count": n} })),
		get("/figures", a.countCollection(figures)),
		get("/revision", a.countCollection(func(_ uint64, rev string) rest.Fields { return rest.Fields{"revision": rev} })),
		get("/checksum", a.checksumCollection),
		get("/shards", a.showShards),
		get("/{what}", unknownPart),
		put("/truncate", a.truncateCollection),
		put("/responsibleShard", a.responsibleShard),
		put("/loadIndexesIntoMemory", a.acknowledge),
		put("/recalculateCount", a.acknowledge),
		put("/rename", renameCollection),
		put("/{what}", unknownPart),
	}
}

func unknownPart(c *rest.Call) error {
	return apierror.New(apierror.NotFound, "unknown path: a collection has no %q", c.Arg(1))
}

func renameCollection(*rest.Call) error {
	return apierror.New(apierror.Unsupported, "renaming collections is not supported in a cluster")
}

// shortForm are the attributes of a collection in lists.
func shortForm(coll *catalog.Collection) rest.Fields {
	return rest.Fields{
		"id": coll.ID, "name": coll.Name, "status": 3, "statusString": "loaded", "type": coll.Type,
		"isSystem": coll.IsSystem, "globallyUniqueId": "c" + coll.ID + "/",
	}
}

// properties are all attributes of a collection.
func properties(coll *catalog.Collection) rest.Fields {
	f := shortForm(coll)
	for name, value := range (rest.Fields{
		"waitForSync":  coll.WaitForSync,
		"keyOptions":   rest.Fields{"type": coll.KeyOptions.Type, "allowUserKeys": coll.KeyOptions.AllowUserKeys, "lastValue": 0},
		"cacheEnabled": coll.CacheEnabled, "usesRevisionsAsDocumentIds": true, "syncByRevision": true,
		"schema": nil, "computedValues": nil, "isDisjoint": false, "isSmart": false, "isSmartChild": false,
		"internalValidatorType": 0, "tempObjectId": "0", "numberOfShards": len(coll.ShardNames),
		"replicationFactor": coll.Replication.Factor, "writeConcern": coll.Replication.Concern,
		"minReplicationFactor": coll.MinReplicationFactor, "shardKeys": coll.ShardKeys, "shardingStrategy": coll.ShardingStrategy,
	}) {
		f[name] = value
	}
	return f
}

func (a *api) listCollections(c *rest.Call) error {
	withoutSystem, err := c.Flag("excludeSystem", false)
	if err != nil {
		return err
	}
	snap, err := a.catalog.Sync(c.R.Context())
	if err != nil {
		snap = a.catalog.Cached() // better somewhat old than not at all
	}
	all := []rest.Fields{}
	for _, coll := range snap.Collections(c.DB) {
		if !withoutSystem || !coll.IsSystem {
			all = append(all, shortForm(coll))
		}
	}
	return c.Result(http.StatusOK, all)
}

func (a *api) createCollection(c *rest.Call) error {
	var body collectionBody
	if err := c.Object(&body); err != nil {
		return err
	}
	spec, err := body.spec()
	if err != nil {
		return err
	}
	enforce, err := c.Flag("enforceReplicationFactor", true)
	if err != nil {
		return err
	}
	wait, err := c.Flag("waitForSyncReplication", true)
	if err != nil {
		return err
	}
	spec.Sparse, spec.NoWait = !enforce, !wait
	coll, err := a.catalog.CreateCollection(c.R.Context(), c.DB, spec)
	if err != nil {
		return err
	}
	return c.OK(http.StatusOK, properties(coll))
}

func (a *api) dropCollection(c *rest.Call) error {
	system, err := c.Flag("isSystem", false)
	if err != nil {
		return err
	}
	id, err := a.catalog.DropCollection(c.R.Context(), c.DB, c.Arg(0), system)
	if err != nil {
		return err
	}
	return c.OK(http.StatusOK, rest.Fields{"id": id})
}

// showCollection answers with what form makes of the collection.
func (a *api) showCollection(form func(*catalog.Collection) rest.Fields) rest.Handler {
	return func(c *rest.Call) error {
		_, coll, err := a.collection(c, c.Arg(0))
		if err != nil {
			return err
		}
		return c.OK(http.StatusOK, form(coll))
	}
}

// countCollection answers with the properties and what more makes of the count and
// the revision of the data.
func (a *api) countCollection(more func(count uint64, revision string) rest.Fields) rest.Handler {
	return func(c *rest.Call) error {
		_, coll, err := a.collection(c, c.Arg(0))
		if err != nil {
			return err
		}
		count, revision, err := a.router.Count(c.R.Context(), route.Ref{Database: c.DB, Name: c.Arg(0)})
		if err != nil {
			return err
		}
		f := properties(coll)
		for name, value := range more(count, revision) {
			f[name] = value
		}
		return c.OK(http.StatusOK, f)
	}
}

// checksumCollection answers with the sum of what is in the shards. It always covers
// keys, revisions and data, which withRevisions and withData may ask for.
func (a *api) checksumCollection(c *rest.Call) error {
	for _, name := range []string{"withRevisions", "withData"} {
		if _, err := c.Flag(name, false); err != nil {
			return err
		}
	}
	_, coll, err := a.collection(c, c.Arg(0))
	if err != nil {
		return err
	}
	sum, revision, err := a.router.Checksum(c.R.Context(), route.Ref{Database: c.DB, Name: c.Arg(0)})
	if err != nil {
		return err
	}
	f := properties(coll)
	f["checksum"], f["revision"] = fmt.Sprintf("%016x", sum), revision
	return c.OK(http.StatusOK, f)
}

func figures(count uint64, _ string) rest.Fields {
	return rest.Fields{"count": count, "figures": rest.Fields{"indexes": rest.Fields{"count": 1, "size": 0}, "documentsSize": 0, "cacheInUse": false, "cacheSize": 0, "cacheUsage": 0}}
}

func (a *api) changeCollection(c *rest.Call) error {
	var body collectionBody
	if err := c.Object(&body); err != nil {
		return err
	}
	if err := body.checkSupported(); err != nil {
		return err
	}
	replication, err := body.replication()
	if err != nil {
		return err
	}
	coll, err := a.catalog.ChangeCollection(c.R.Context(), c.DB, c.Arg(0), catalog.CollectionChange{
		WaitForSync: body.WaitForSync, CacheEnabled: body.CacheEnabled, Replication: replication,
	})
	if err != nil {
		return err
	}
	return c.OK(http.StatusOK, properties(coll))
}

func (a *api) showShards(c *rest.Call) error {
	details, err := c.Flag("details", false)
	if err != nil {
		return err
	}
	_, coll, err := a.collection(c, c.Arg(0))
	if err != nil {
		return err
	}
	f := properties(coll)
	f["shards"] = coll.ShardNames
	if details {
		f["shards"] = coll.Shards
	}
	return c.OK(http.StatusOK, f)
}

func (a *api) truncateCollection(c *rest.Call) error {
	waitForSync, err := c.Flag("waitForSync", false)
	if err != nil {
		return err
	}
	_, coll, err := a.collection(c, c.Arg(0))
	if err != nil {
		return err
	}
	if err := a.router.Truncate(c.R.Context(), route.Ref{Database: c.DB, Name: c.Arg(0)}, waitForSync || coll.WaitForSync); err != nil {
		return err
	}
	return c.OK(http.StatusOK, shortForm(coll))
}

// responsibleShard says where the document with a _key is or would be.
func (a *api) responsibleShard(c *rest.Call) error {
	var body struct {
		Key *string `json:"_key"`
	}
	if err := c.Object(&body); err != nil {
		return err
	}
	if body.Key == nil {
		return apierror.New(apierror.BadParameter, "the shard key _key is missing")
	}
	if err := document.CheckKey(*body.Key); err != nil {
		return err
	}
	_, coll, err := a.collection(c, c.Arg(0))
	if err != nil {
		return err
	}
	return c.OK(http.StatusOK, rest.Fields{"shardId": coll.ShardNames[route.ShardIndex(*body.Key, len(coll.ShardNames))]})
}

// acknowledge answers commands for which there is nothing to do here.
func (a *api) acknowledge(c *rest.Call) error {
	if _, _, err := a.collection(c, c.Arg(0)); err != nil {
		return err
	}
	return c.Result(http.StatusOK, true)
}
