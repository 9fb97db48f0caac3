package minicluster

import (
	"context"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/datadir"
	"stasis/internal/network"
)

// removedLimit bounds the question who was removed: without an agency that answers,
// who is started does not matter.
const removedLimit = 20 * time.Second

// findRemoved asks the agency which of the servers were removed from the cluster
// (stasis cluster remove) and have not joined again since. To start them would be to
// undo that. If the agency does not answer, all count as members.
func (c *Cluster) findRemoved(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, removedLimit)
	defer cancel()
	web := network.NewHTTPClient(c.options.network("minicluster"))
	defer web.CloseIdleConnections()
	agency := agencyclient.New(agencyclient.Options{Endpoints: c.agencyURLs(), HTTP: web, Logger: hclog.NewNullLogger()})
	root, err := agency.Read(ctx, keys.RemovedServers, keys.PlanDBServers, keys.PlanCoordinators)
	if err != nil {
		c.options.Logger.Warn("not known who was removed from the cluster", "error", err)
		return
	}
	for _, n := range c.nodes() {
		plan := keys.PlanDBServers
		if n.role == datadir.Coordinator {
			plan = keys.PlanCoordinators
		}
		if n.serverID() == "" || n.running() != nil {
			continue
		}
		if root.At(keys.RemovedServers+"/"+n.serverID()).Exists() && !root.At(plan+"/"+n.serverID()).Exists() {
			n.mu.Lock()
			n.gone = true
			n.mu.Unlock()
		}
	}
}

// present are the nodes without those that were removed from the cluster.
func (c *Cluster) present(nodes []*node) []*node {
	return slices.DeleteFunc(slices.Clone(nodes), (*node).removed)
}
