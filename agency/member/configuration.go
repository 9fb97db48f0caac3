package member

import (
	"maps"
	"slices"

	"github.com/hashicorp/raft"
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
