package create

import (
	"cmp"
	"fmt"
	"slices"

	"stasis/coordinator/backup/fanout"
	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
)

// cuts are the answers of all servers to the request for their cut.
type cuts = []fanout.Answer[dbclient.CutResponse]

// statementsOf returns what the leaders stated with their cuts, about shards that they lead by
// Plan. problems says, by shard, why a shard has no statement, or why another replica contradicts
// it. If there are problems, the attempt has failed.
func statementsOf(planned map[string]topology.Shard, answers cuts) (all map[string]dbclient.ShardStatement, problems map[string]string) {
	all, problems = map[string]dbclient.ShardStatement{}, map[string]string{}
	from := map[string]dbclient.CutResponse{}
	names := map[string]string{}
	by := map[string]dbclient.ShardStatement{} // of the planned leaders
	for _, a := range answers {
		from[a.ID], names[a.ID] = a.Value, a.Name
		for _, st := range a.Value.Statements {
			if p, there := planned[st.Shard]; there && p.Servers[0] == a.ID {
				by[st.Shard] = st
			}
		}
	}
	for name, p := range planned {
		st, there := by[name]
		why := ""
		switch {
		case !there:
			why = "does not lead it"
		case st.Unserved != "":
			why = "does not serve it: " + st.Unserved
		case st.Term != p.Term:
			why = fmt.Sprintf("leads it in term %d, Plan has term %d", st.Term, p.Term)
		}
		if why != "" {
			problems["the leader of "+p.Label()] = cmp.Or(names[p.Servers[0]], p.Servers[0]) + " " + why
			continue
		}
		st.InSync = slices.DeleteFunc(slices.Clone(st.InSync), func(id string) bool { return !slices.Contains(p.Servers, id) })
		all[name] = st
		for _, id := range st.InSync {
			if log := from[id].Logs[name]; id != p.Servers[0] && log < st.Last.Seq {
				problems["a follower of "+p.Label()] = fmt.Sprintf("%s is in sync, but its log ends at %d of %d: it was just started", cmp.Or(names[id], id), log, st.Last.Seq)
			}
		}
	}
	return all, problems
}
