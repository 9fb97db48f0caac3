package member

import (
	"maps"
	"slices"

	"github.com/hashicorp/raft"

	"stasis/agency/leadership"
)

// First is the first Raft configuration of an agency: the same on every agent. peers maps ids to
// "host:port".
func First(peers map[string]string) raft.Configuration {
	var members raft.Configuration
	for _, id := range slices.Sorted(maps.Keys(peers)) {
		members.Servers = append(members.Servers, raft.Server{
			Suffrage: raft.Voter,
			ID:       raft.ServerID(id),
			Address:  raft.ServerAddress(peers[id]),
		})
	}
	return members
}

// Configuration is Raft's newest configuration, whether it is committed or not.
func Configuration(r interface {
	GetConfiguration() raft.ConfigurationFuture
}) raft.Configuration {
	f := r.GetConfiguration()
	if f.Error() != nil { // it cannot: the answer is a copy made by the call
		return raft.Configuration{}
	}
	return f.Configuration()
}

// Voters are the ids of the members that vote.
func Voters(c raft.Configuration) (ids []string) {
	for _, s := range c.Servers {
		if s.Suffrage == raft.Voter {
			ids = append(ids, string(s.ID))
		}
	}
	return ids
}

// Configuration is Raft's newest configuration.
func (m *Members) Configuration() raft.Configuration { return Configuration(m.raft) }

// Others are the voters beside this agent, and how many of them make a majority with it.
func (m *Members) Others() (ids []raft.ServerID, need int) {
	voters := Voters(m.Configuration())
	for _, id := range voters {
		if id != m.Self {
			ids = append(ids, raft.ServerID(id))
		}
	}
	return ids, len(voters) / 2
}

// Has tells whether this agent is a voter at an address. It is true for an agent that is no
// member: it was removed, and is added again by whoever wants it back.
func (m *Members) Has(address string) bool {
	for _, s := range m.Configuration().Servers {
		if string(s.ID) == m.Self {
			return string(s.Address) == address && s.Suffrage == raft.Voter
		}
	}
	return true
}

// Addresses are where the other members are to be found.
func (m *Members) Addresses() (all []string) {
	for _, s := range m.Configuration().Servers {
		if string(s.ID) != m.Self {
			all = append(all, m.Book.Of(string(s.ID), string(s.Address)))
		}
	}
	return all
}

// Pool maps the ids of all members to their endpoints, "tcp://host:port".
func (m *Members) Pool() map[string]string {
	pool := map[string]string{}
	for _, s := range m.Configuration().Servers {
		pool[string(s.ID)] = "tcp://" + m.Book.Of(string(s.ID), string(s.Address))
	}
	return pool
}

// Endpoints are where the agents are, "tcp://host:port", as the leader sees them.
func (m *Members) Endpoints(l *leadership.Leadership) (all []string) {
	for _, e := range m.List(l) {
		all = append(all, e.Endpoint)
	}
	return all
}
