package ddl

import (
	"context"
	"fmt"
	"net/http"

	"stasis/coordinator/catalog"
	"stasis/coordinator/route"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// Router asks the shards of a collection.
type Router interface {
	Count(ctx context.Context, ref route.Ref) (count uint64, revision string, err error)
	Checksum(ctx context.Context, ref route.Ref) (sum uint64, revision string, err error)
	Truncate(ctx context.Context, ref route.Ref, waitForSync bool) error
}

// Collections answers requests on collections.
type Collections struct {
	Catalog *catalog.Catalog
	Router  Router
}

// Routes returns the paths that Collections answers.
func (cs *Collections) Routes() []rest.Route {
	const one = "/_api/collection/{collection}"
	get := func(what string, h rest.Handler) rest.Route {
		return rest.Route{Method: "GET", Pattern: one + what, Handler: h}
	}
	put := func(what string, h rest.Handler) rest.Route {
		return rest.Route{Method: "PUT", Pattern: one + what, Handler: h}
	}
	contents := func(r rest.Route) rest.Route {
		r.Transaction = rest.Joins
		return r
	}
	return []rest.Route{
		{Method: "GET", Pattern: "/_api/collection", Handler: cs.list},
		{Method: "POST", Pattern: "/_api/collection", Handler: cs.create},
		{Method: "DELETE", Pattern: one, Handler: cs.drop},
		get("", cs.show(shortForm)),
		get("/properties", cs.show(properties)),
		put("/properties", cs.change),
		contents(get("/count", cs.count(func(n uint64, _ string) rest.Fields { return rest.Fields{"count": n} }))),
		contents(get("/figures", cs.count(figures))),
		contents(get("/revision", cs.count(func(_ uint64, rev string) rest.Fields { return rest.Fields{"revision": rev} }))),
		contents(get("/checksum", cs.checksum)),
		get("/shards", cs.showShards),
		get("/{what}", unknownPart),
		contents(put("/truncate", cs.truncate)),
		put("/responsibleShard", responsibleShard(cs.Catalog)),
		put("/loadIndexesIntoMemory", cs.acknowledge),
		put("/recalculateCount", cs.acknowledge),
		put("/rename", rename),
		put("/{what}", unknownPart),
	}
}

func unknownPart(c *rest.Call) error {
	return apierror.New(apierror.NotFound, "unknown path: a collection has no %q", c.Arg(1))
}

func rename(*rest.Call) error {
	return apierror.New(apierror.Unsupported, "renaming collections is not supported in a cluster")
}

func (cs *Collections) list(c *rest.Call) error {
	withoutSystem, err := c.Flag("excludeSystem", false)
	if err != nil {
		return err
	}
	all := []rest.Fields{}
	for _, coll := range cs.Catalog.SyncOrCached(c.R.Context()).Collections(c.DB) {
		if !withoutSystem || !coll.IsSystem {
			all = append(all, shortForm(coll))
		}
	}
	return c.Result(http.StatusOK, all)
}

func (cs *Collections) create(c *rest.Call) error {
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
	coll, err := cs.Catalog.CreateCollection(c.R.Context(), c.DB, spec)
	if err != nil {
		return err
	}
	return c.OK(http.StatusOK, properties(coll))
}

func (cs *Collections) drop(c *rest.Call) error {
	system, err := c.Flag("isSystem", false)
	if err != nil {
		return err
	}
	id, err := cs.Catalog.DropCollection(c.R.Context(), c.DB, c.Arg(0), system)
	if err != nil {
		return err
	}
	return c.OK(http.StatusOK, rest.Fields{"id": id})
}

// show answers with a form of the collection.
func (cs *Collections) show(form func(*catalog.Collection) rest.Fields) rest.Handler {
	return func(c *rest.Call) error {
		_, coll, err := cs.Catalog.Collection(c.R.Context(), c.DB, c.Arg(0))
		if err != nil {
			return err
		}
		return c.OK(http.StatusOK, form(coll))
	}
}

// count answers with the properties, and what more makes of the count and the revision of the
// data.
func (cs *Collections) count(more func(count uint64, revision string) rest.Fields) rest.Handler {
	return func(c *rest.Call) error {
		_, coll, err := cs.Catalog.Collection(c.R.Context(), c.DB, c.Arg(0))
		if err != nil {
			return err
		}
		count, revision, err := cs.Router.Count(c.R.Context(), route.Ref{Database: c.DB, Name: c.Arg(0)})
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

// checksum answers with the sum over the shards. It always covers keys, revisions and data:
// withRevisions and withData change nothing.
func (cs *Collections) checksum(c *rest.Call) error {
	for _, name := range []string{"withRevisions", "withData"} {
		if _, err := c.Flag(name, false); err != nil {
			return err
		}
	}
	_, coll, err := cs.Catalog.Collection(c.R.Context(), c.DB, c.Arg(0))
	if err != nil {
		return err
	}
	sum, revision, err := cs.Router.Checksum(c.R.Context(), route.Ref{Database: c.DB, Name: c.Arg(0)})
	if err != nil {
		return err
	}
	f := properties(coll)
	f["checksum"], f["revision"] = fmt.Sprintf("%016x", sum), revision
	return c.OK(http.StatusOK, f)
}

func (cs *Collections) change(c *rest.Call) error {
	var body collectionBody
	if err := c.Object(&body); err != nil {
		return err
	}
	if err := body.checkSupported(); err != nil {
		return err
	}
	_, coll, err := cs.Catalog.Collection(c.R.Context(), c.DB, c.Arg(0))
	if err != nil {
		return err
	}
	if err := body.checkUnchanged(coll); err != nil {
		return err
	}
	replication, err := body.replication()
	if err != nil {
		return err
	}
	coll, err = cs.Catalog.ChangeCollection(c.R.Context(), c.DB, c.Arg(0), catalog.CollectionChange{
		WaitForSync: body.WaitForSync, CacheEnabled: body.CacheEnabled, Replication: replication,
	})
	if err != nil {
		return err
	}
	return c.OK(http.StatusOK, properties(coll))
}

func (cs *Collections) showShards(c *rest.Call) error {
	details, err := c.Flag("details", false)
	if err != nil {
		return err
	}
	_, coll, err := cs.Catalog.Collection(c.R.Context(), c.DB, c.Arg(0))
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

func (cs *Collections) truncate(c *rest.Call) error {
	waitForSync, err := c.Flag("waitForSync", false)
	if err != nil {
		return err
	}
	_, coll, err := cs.Catalog.Collection(c.R.Context(), c.DB, c.Arg(0))
	if err != nil {
		return err
	}
	if err := cs.Router.Truncate(c.R.Context(), route.Ref{Database: c.DB, Name: c.Arg(0)}, waitForSync || coll.WaitForSync); err != nil {
		return err
	}
	return c.OK(http.StatusOK, shortForm(coll))
}

// acknowledge answers commands for which nothing needs to be done.
func (cs *Collections) acknowledge(c *rest.Call) error {
	if _, _, err := cs.Catalog.Collection(c.R.Context(), c.DB, c.Arg(0)); err != nil {
		return err
	}
	return c.Result(http.StatusOK, true)
}
