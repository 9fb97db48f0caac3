package dbserver

import (
	"context"
	"slices"
	"strings"
	"time"

	"stasis/agency/keys"
)

// addressesAge is how long the list of agents is believed.
const addressesAge = 30 * time.Second

// addresses are host:port of every server of the cluster, where no remote may be. DB
// servers and coordinators are as they are registered, agents as the leader knows them
// and as this server was started with: one that was removed is still not a remote.
func (s *Server) addresses(ctx context.Context) []string {
	found := []string{s.addr}
	root := s.cache.Snapshot().Root
	for _, n := range root.At(keys.CurrentServersRegistered).Children() {
		var r keys.Registered
		if n.Decode(&r) != nil {
			continue // Version, a number
		}
		found = append(found, hostPort(r.Endpoint), hostPort(r.AdvertisedEndpoint))
	}
	for _, url := range slices.Concat(s.config.Agency, s.agents.known(ctx, s)) {
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

// agents remembers where the agents are. Its one value is taken out while it is used:
// nothing is locked during the question to the agency.
type agents chan agentList

type agentList struct {
	endpoints []string
	at        time.Time
}

func newAgents() agents {
	a := make(agents, 1)
	a <- agentList{}
	return a
}

// known asks the agency if what is known is old. When it does not answer, what was
// known before, and what this server was started with, has to do.
func (a agents) known(ctx context.Context, s *Server) []string {
	var list agentList
	select {
	case list = <-a:
	case <-ctx.Done():
		return nil
	}
	defer func() { a <- list }()
	if !list.at.IsZero() && time.Since(list.at) < addressesAge {
		return list.endpoints
	}
	ask, cancel := context.WithTimeout(ctx, s.config.Timing.Agency)
	defer cancel()
	members, err := s.agency.Members(ask)
	if err != nil {
		s.log.Debug("where the agents are is not known just now", "error", err)
		return list.endpoints
	}
	list = agentList{at: time.Now()}
	for _, m := range members {
		list.endpoints = append(list.endpoints, m.Endpoint)
	}
	return list.endpoints
}
