package status

import (
	"stasis/client"
	"stasis/internal/rest"
)

// Routes returns the paths that an API answers.
func (a *API) Routes() []rest.Route {
	return []rest.Route{
		{Method: "GET", Pattern: client.PathStatus, Handler: a.status},
		{Method: "GET", Pattern: client.PathShards, Handler: a.shards},
		{Method: "GET", Pattern: client.PathJobs, Handler: a.jobs},
		{Method: "GET", Pattern: client.PathEvents, Handler: a.events},
		{Method: "GET", Pattern: "/_admin/cluster/health", Handler: a.health},
		{Method: "GET", Pattern: "/_admin/cluster/shardDistribution", Handler: a.distribution},
		{Method: "GET", Pattern: "/_admin/cluster/nodeVersion", Handler: a.node("ServerID", "/_api/version")},
		{Method: "GET", Pattern: "/_admin/cluster/nodeEngine", Handler: a.node("ServerID", "/_api/engine")},
		{Method: "GET", Pattern: "/_admin/cluster/nodeStatistics", Handler: a.node("ServerID", "/_admin/statistics")},
		{Method: "GET", Pattern: "/_admin/cluster/statistics", Handler: a.node("DBserver", "/_admin/statistics")},
		{Method: "GET", Pattern: "/_api/cluster/endpoints", Handler: a.endpoints},
	}
}
