package documents

import (
	"context"
	"net/http"
	"strings"

	"stasis/coordinator/catalog"
	"stasis/coordinator/document"
	"stasis/coordinator/route"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// Router brings operations to the shards.
type Router interface {
	Documents(ctx context.Context, r route.Request) (route.Outcome, error)
	Truncate(ctx context.Context, ref route.Ref, waitForSync bool) error
}

// request is what a client asks for in the path, the parameters and the headers: the
// collection, as one snapshot of the catalog has it, and the options.
type request struct {
	call  *rest.Call
	ref   route.Ref
	snap  *catalog.Snapshot
	coll  *catalog.Collection
	rules document.Rules

	waitForSync, returnNew, returnOld, silent bool
}

// newRequest reads the options of a request on a collection.
func newRequest(cat *catalog.Catalog, c *rest.Call, collection string) (*request, error) {
	snap, coll, err := cat.Collection(c.R.Context(), c.DB, collection)
	if err != nil {
		return nil, err
	}
	q := &request{call: c, ref: route.Ref{Database: c.DB, Name: collection}, snap: snap, coll: coll}
	keepNull, mergeObjects, ignoreRevs := true, true, true
	for _, flag := range []struct {
		name string
		into *bool
	}{
		{"waitForSync", &q.waitForSync}, {"returnNew", &q.returnNew}, {"returnOld", &q.returnOld}, {"silent", &q.silent},
		{"keepNull", &keepNull}, {"mergeObjects", &mergeObjects}, {"ignoreRevs", &ignoreRevs},
	} {
		if *flag.into, err = c.Flag(flag.name, *flag.into); err != nil {
			return nil, err
		}
	}
	q.waitForSync = q.waitForSync || coll.WaitForSync
	q.rules = document.Rules{
		Collection: coll.Name, Edges: coll.Type == catalog.TypeEdge, DenyUserKeys: !coll.KeyOptions.AllowUserKeys, ShardKeys: coll.SpreadBy(), NewKey: cat.Keys(snap.Epoch),
		DropNulls: !keepNull, ReplaceNested: !mergeObjects, MatchRevs: !ignoreRevs,
		IfMatch: document.Revision(c.R.Header.Get("If-Match")), IfNoneMatch: document.Revision(c.R.Header.Get("If-None-Match")),
	}
	q.rules.OverwriteMode, err = overwriteMode(c)
	return q, err
}

func overwriteMode(c *rest.Call) (dbclient.OverwriteMode, error) {
	overwrite, err := c.Flag("overwrite", false)
	if err != nil {
		return "", err
	}
	switch mode := dbclient.OverwriteMode(strings.ToLower(c.Query.Get("overwriteMode"))); {
	case mode == "" && overwrite:
		return dbclient.OverwriteReplace, nil
	case mode == "", mode == dbclient.OverwriteConflict, mode == dbclient.OverwriteIgnore, mode == dbclient.OverwriteReplace, mode == dbclient.OverwriteUpdate:
		return mode, nil
	default:
		return "", apierror.New(apierror.BadParameter, "overwriteMode %q is unknown: want conflict, ignore, replace or update", mode)
	}
}

func (q *request) setETag(rev string) { q.call.W.Header().Set("Etag", `"`+rev+`"`) }

// statusOf is the status of an answer. synced says that all of it is on disk.
func statusOf(kind dbclient.OpKind, synced bool) int {
	switch {
	case kind == dbclient.OpRead, kind == dbclient.OpRemove && synced:
		return http.StatusOK
	case synced:
		return http.StatusCreated
	}
	return http.StatusAccepted
}
