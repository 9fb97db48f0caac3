package admin

import (
	"stasis/agency/keys"
	"stasis/internal/rest"
)

// Routes returns the paths that an API answers.
func (a *API) Routes() []rest.Route {
	const cluster = "/_admin/cluster/"
	return []rest.Route{
		{Method: "POST", Pattern: cluster + "moveShard", Handler: a.moveShard},
		{Method: "POST", Pattern: cluster + "cleanOutServer", Handler: a.serverJob(keys.JobCleanOutServer)},
		{Method: "POST", Pattern: cluster + "resignLeadership", Handler: a.serverJob(keys.JobResignLeadership)},
		{Method: "POST", Pattern: cluster + "removeServer", Handler: a.removeServer},
		{Method: "GET", Pattern: cluster + "queryAgencyJob", Handler: a.queryJob},
		{Method: "POST", Pattern: cluster + "cancelAgencyJob", Handler: a.cancelJob},
		{Method: "POST", Pattern: cluster + "rebalanceShards", Handler: a.rebalanceShards},
		{Method: "GET", Pattern: cluster + "rebalance", Handler: a.imbalance},
		{Method: "POST", Pattern: cluster + "rebalance", Handler: a.computeRebalance},
		{Method: "PUT", Pattern: cluster + "rebalance", Handler: a.rebalance},
		{Method: "POST", Pattern: cluster + "rebalance/execute", Handler: a.executeRebalance},
		{Method: "GET", Pattern: cluster + "maintenance", Handler: a.mode},
		{Method: "PUT", Pattern: cluster + "maintenance", Handler: a.setMode},
		{Method: "GET", Pattern: cluster + "maintenance/{server}", Handler: a.serverMaintenance},
		{Method: "PUT", Pattern: cluster + "maintenance/{server}", Handler: a.setServerMaintenance},
		{Method: "GET", Pattern: cluster + "numberOfServers", Handler: a.numberOfServers},
		{Method: "PUT", Pattern: cluster + "numberOfServers", Handler: a.setNumberOfServers},
	}
}
