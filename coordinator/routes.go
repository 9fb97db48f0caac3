package coordinator

import (
	"net/http"
	"slices"

	"stasis/coordinator/api/users"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// routed answers a part of the API.
type routed interface{ Routes() []rest.Route }

// newMux returns the public API: the routes of all parts, and the commands of backups.
func newMux(o rest.Options, backups http.Handler, parts ...routed) *rest.Mux {
	routes := slices.Concat(users.Routes(), backupRoutes(backups))
	for _, p := range parts {
		routes = append(routes, p.Routes()...)
	}
	return rest.NewMux(o, routes...)
}

// backupRoutes let backups serve POST /_admin/backup/<command>.
func backupRoutes(backups http.Handler) []rest.Route {
	return []rest.Route{
		{Method: "POST", Pattern: "/_admin/backup", Handler: func(*rest.Call) error {
			return apierror.New(apierror.SuperfluousSuffices, "which backup command? the path is /_admin/backup/<command>")
		}},
		{Method: "POST", Pattern: "/_admin/backup/{command}", Handler: func(c *rest.Call) error {
			backups.ServeHTTP(c.W, withPath(c.R, "/_admin/backup/"+c.Arg(0)))
			return nil
		}},
	}
}

// withPath is the request as if it had been sent without a database prefix.
func withPath(r *http.Request, path string) *http.Request {
	r = r.Clone(r.Context())
	r.URL.Path, r.URL.RawPath = path, ""
	return r
}
