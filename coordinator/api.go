package coordinator

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/hashicorp/go-hclog"

	"stasis/client"
	"stasis/coordinator/admin"
	"stasis/coordinator/catalog"
	"stasis/coordinator/cursor"
	"stasis/coordinator/route"
	"stasis/coordinator/survey"
	"stasis/internal/apierror"
	"stasis/internal/network"
	"stasis/internal/rest"
)

// api answers the public endpoints.
type api struct {
	id      string
	addr    func() string // advertised host:port
	started time.Time
	life    *life
	logger  hclog.Logger
	limits  Limits
	http    network.Limits
	timing  Timing

	catalog *catalog.Catalog
	router  *route.Router
	cursors *cursor.Store
	survey  *survey.Survey
	admin   *admin.Admin
	steps   *stepLog
}

// mux has all routes; backups serves POST /_admin/backup/<command>.
func (a *api) mux(backups http.Handler) *rest.Mux {
	routes := a.serverRoutes()
	routes = append(routes, a.credentialRoutes()...)
	routes = append(routes, a.databaseRoutes()...)
	routes = append(routes, a.collectionRoutes()...)
	routes = append(routes, a.indexRoutes()...)
	routes = append(routes, a.documentRoutes()...)
	routes = append(routes, a.cursorRoutes()...)
	routes = append(routes, a.admin.Routes()...)
	routes = append(routes,
		rest.Route{Method: "POST", Pattern: "/_api/import", Handler: a.importDocuments},
		rest.Route{Method: "POST", Pattern: "/_admin/backup", Handler: func(*rest.Call) error {
			return apierror.New(apierror.SuperfluousSuffices, "which backup command? the path is /_admin/backup/<command>")
		}},
		rest.Route{Method: "POST", Pattern: "/_admin/backup/{command}", Handler: func(c *rest.Call) error {
			backups.ServeHTTP(c.W, withPath(c.R, "/_admin/backup/"+c.Arg(0)))
			return nil
		}},
		rest.Route{Method: "GET", Pattern: client.PathSteps, Handler: a.streamSteps},
		rest.Route{Method: "GET", Pattern: client.PathStatus, Handler: a.survey.Status},
		rest.Route{Method: "GET", Pattern: client.PathShards, Handler: a.survey.Shards},
		rest.Route{Method: "GET", Pattern: client.PathJobs, Handler: a.survey.Jobs},
		rest.Route{Method: "GET", Pattern: client.PathEvents, Handler: a.survey.Events},
		rest.Route{Method: "GET", Pattern: "/_api/replication/clusterInventory", Handler: a.inventory},
	)
	return rest.NewMux(rest.Options{
		BodyBytes: a.limits.BodyBytes,
		Admit:     a.life.admit,
		Database: func(ctx context.Context, name string) error {
			_, err := a.catalog.Database(ctx, name)
			return err
		},
		Logger: a.logger,
	}, routes...)
}

// withPath is the request as if it had been sent without a database prefix.
func withPath(r *http.Request, path string) *http.Request {
	r = r.Clone(r.Context())
	r.URL.Path, r.URL.RawPath = path, ""
	return r
}

// collection is the collection that a request names, in the view it is of.
func (a *api) collection(c *rest.Call, name string) (*catalog.Snapshot, *catalog.Collection, error) {
	snap := a.catalog.Cached()
	if coll, ok := snap.Collection(c.DB, name); ok {
		return snap, coll, nil
	}
	snap, err := a.catalog.Sync(c.R.Context())
	if err != nil {
		return nil, nil, err
	}
	coll, err := snap.Find(c.DB, name)
	return snap, coll, err
}

// newKey makes a document key in the restore epoch of a view.
func (a *api) newKey(snap *catalog.Snapshot) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		n, err := a.catalog.NextID(ctx, snap.Epoch)
		return strconv.FormatUint(n, 10), err
	}
}

// refuseTransaction is the answer to a request that wants to be part of a stream
// transaction or an asynchronous job: doing its work all the same would be wrong.
func refuseTransaction(h rest.Handler) rest.Handler {
	return func(c *rest.Call) error {
		if id := c.R.Header.Get("X-Arango-Trx-Id"); id != "" {
			return apierror.New(transactionNotFound, "transaction %q not found: stream transactions are not supported by this version", id)
		}
		return h(c)
	}
}

// Numbers that only this package answers with.
const transactionNotFound apierror.Num = 1655

// notSupported is the handler of what clients may ask for and this version lacks.
func notSupported(what string) rest.Handler {
	return func(*rest.Call) error {
		return apierror.New(apierror.NotImplemented, "%s not supported by this version", what)
	}
}
