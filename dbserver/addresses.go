package dbserver

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
)

// addressesAge is how long the list of agents is believed.
const addressesAge = 30 * time.Second

// addresses knows where the servers of the cluster are.
type addresses struct {
	own     string   // host:port
	started []string // agents that this server was started with
	cache   *agencyclient.Cache
	agents  agents
}

// all are host:port of every server of the cluster, where no remote may be. DB servers and
// coordinators are as they are registered, agents as the agency's leader knows them and as
// this server was started with: an agent that was removed is no remote either.
func (a *addresses) all(ctx context.Context) []string {
	found := []string{a.own}
	root := a.cache.Snapshot().Root
	for _, n := range root.At(keys.CurrentServersRegistered).Children() {
		var r keys.Registered
		if n.Decode(&r) != nil {
			continue // Version, a number
		}
		found = append(found, hostPort(r.Endpoint), hostPort(r.AdvertisedEndpoint))
	}
	for _, url := range slices.Concat(a.started, a.agents.known(ctx)) {
		found = append(found, hostPort(url))
	}
	return slices.DeleteFunc(found, func(a string) bool { return a == "" })
}

// hostPort is an endpoint without its scheme and path.
func hostPort(endpoint string) string {
	if _, rest, found := strings.Cut(endpoint, "://"); found {
		endpoint = rest
	}
	endpoint, _, _ = strings.Cut(endpoint, "/")
	return endpoint
}

// agents remembers where the agents are.
type agents struct {
	agency  *agencyclient.Client
	timeout time.Duration
	log     hclog.Logger
	list    chan agentList // its one value is taken out while it is used: no lock is held during the question to the agency
}

type agentList struct {
	endpoints []string
	at        time.Time
}

func newAgents(agency *agencyclient.Client, timeout time.Duration, log hclog.Logger) agents {
	a := agents{agency: agency, timeout: timeout, log: log, list: make(chan agentList, 1)}
	a.list <- agentList{}
	return a
}

// known asks the agency if the list is old. If the agency does not answer, the old list is
// used.
func (a agents) known(ctx context.Context) []string {
	var list agentList
	select {
	case list = <-a.list:
	case <-ctx.Done():
		return nil
	}
	defer func() { a.list <- list }()
	if !list.at.IsZero() && time.Since(list.at) < addressesAge {
		return list.endpoints
	}
	ask, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	members, err := a.agency.Members(ask)
	if err != nil {
		a.log.Debug("cannot ask where the agents are", "error", err)
		return list.endpoints
	}
	list = agentList{at: time.Now()}
	for _, m := range members {
		list.endpoints = append(list.endpoints, m.Endpoint)
	}
	return list.endpoints
}
