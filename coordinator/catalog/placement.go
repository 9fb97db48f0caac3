package catalog

import (
	"slices"
	"strings"

	"stasis/agency/keys"
	"stasis/internal/apierror"
)

// Available are the DB servers that may get shards, sorted: those that have not
// failed, whose disk does not hang, and that are neither cleaned out nor about to be.
func (v *View) Available() []string {
	leaving := map[string]bool{}
	for _, key := range []string{keys.CleanedServers, keys.ToBeCleaned} {
		var ids []string
		_ = v.root.At(key).Decode(&ids) // missing: none
		for _, id := range ids {
			leaving[id] = true
		}
	}
	var all []string
	for _, server := range v.DBServers() {
		if h, _ := v.Health(server); h.Status != keys.StatusFailed && h.Disk == "" && !leaving[server] {
			all = append(all, server)
		}
	}
	return all
}

// Load counts what Plan puts on each DB server, what is being built included.
type Load struct {
	Led    map[string]int // shards that it leads, or has to stop leading
	Shards map[string]int // replicas, those that it leads included
}

// Load is that of all DB servers that have any.
func (v *View) Load() Load {
	l := Load{Led: map[string]int{}, Shards: map[string]int{}}
	for _, collections := range v.dir.byID {
		for _, coll := range collections {
			for _, servers := range coll.Shards {
				for i, server := range servers {
					server = strings.TrimPrefix(server, keys.Resigned)
					l.Shards[server]++
					if i == 0 {
						l.Led[server]++
					}
				}
			}
		}
	}
	return l
}

// place chooses the servers of n new shards, the leader of each first. Replicas go to
// the available DB servers that have the fewest, so that no two ever differ by more
// than one, whatever was created with whatever replication; of these the one that leads
// the fewest leads. Leaders are less even then (by at most a few), but they can be
// changed later without moving data, replicas cannot. Among equals it is the first by id.
func place(v *View, n, replicas int) ([][]string, error) {
	candidates := v.Available()
	if len(candidates) < replicas {
		return nil, tooFew(v, replicas)
	}
	load := v.Load()
	shards := make([][]string, n)
	for i := range shards {
		var on []string
		for len(on) < replicas {
			next := least(candidates, on, load.Shards, load.Led)
			on = append(on, next)
			load.Shards[next]++
		}
		leader := least(on, nil, load.Led, nil)
		load.Led[leader]++
		shards[i] = append([]string{leader}, slices.DeleteFunc(on, func(id string) bool { return id == leader })...)
	}
	return shards, nil
}

// least is the candidate with the lowest count that is not among taken; among
// equals the second count decides, and then the order.
func least(candidates, taken []string, by, then map[string]int) string {
	best := ""
	for _, server := range candidates {
		switch {
		case slices.Contains(taken, server):
		case best == "", by[server] < by[best], by[server] == by[best] && then[server] < then[best]:
			best = server
		}
	}
	return best
}

func tooFew(v *View, replicas int) error {
	return apierror.New(apierror.TooFewDBServers, "not enough DB servers: %d replicas are wanted, and of %d DB servers %d can take shards",
		replicas, len(v.DBServers()), len(v.Available()))
}
