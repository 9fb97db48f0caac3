package catalog

import (
	"maps"
	"slices"
	"strings"

	"stasis/agency/keys"
	"stasis/internal/apierror"
)

// Load counts what Plan puts on each DB server, what is being built included.
type Load struct {
	Led    map[string]int // shards that it leads, or has to stop leading
	Shards map[string]int // replicas, those that it leads included
}

// Load returns the load of all DB servers that have shards.
func (snap *Snapshot) Load() Load {
	l := Load{Led: map[string]int{}, Shards: map[string]int{}}
	for _, collections := range snap.dir.byID {
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

// place chooses the servers of n new shards, the leader of each first. Replicas go to the
// available DB servers that have the fewest. So the numbers of replicas never differ by more
// than one, whatever the replication factors are. Of the servers of a shard, the one that
// leads the fewest shards leads. The numbers of leaders can differ by a few then; but a
// leadership moves later without data, and a replica does not. Among equals the first by id
// is chosen.
func place(snap *Snapshot, n, replicas int) ([][]string, error) {
	candidates := snap.Available()
	if len(candidates) < replicas {
		return nil, tooFew(snap, replicas)
	}
	load := snap.Load()
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

// placeIn is place for a collection of a database. With the sharding single, a collection has one shard (400/10), and it is
// put where the database's others are, as far as those servers are available: a failover may part them later.
func placeIn(snap *Snapshot, db *Database, n, replicas int) ([][]string, error) {
	if db.Sharding != shardingSingle {
		return place(snap, n, replicas)
	}
	if n != 1 {
		return nil, apierror.New(apierror.BadParameter, "a collection of database %s has one shard, because the sharding of the database is single: numberOfShards is %d", db.Name, n)
	}
	on := beside(snap, db.Name)
	if len(on) == 0 {
		return place(snap, n, replicas)
	}
	candidates := snap.Available()
	if len(candidates) < replicas {
		return nil, tooFew(snap, replicas)
	}
	load := snap.Load()
	for on = on[:min(len(on), replicas)]; len(on) < replicas; {
		on = append(on, least(candidates, on, load.Shards, load.Led))
	}
	return [][]string{on}, nil
}

// beside returns the available servers of the oldest collection of a database, its leader first.
func beside(snap *Snapshot, db string) (on []string) {
	ids := slices.SortedFunc(maps.Keys(snap.dir.byID[db]), byNumber)
	if len(ids) == 0 {
		return nil
	}
	available := snap.Available()
	oldest := snap.dir.byID[db][ids[0]]
	for _, shard := range oldest.ShardNames {
		for _, server := range oldest.Shards[shard] {
			if server = strings.TrimPrefix(server, keys.Resigned); slices.Contains(available, server) && !slices.Contains(on, server) {
				on = append(on, server)
			}
		}
	}
	return on
}

// least is the candidate with the lowest count that is not among taken. Among equals the
// second count decides, then the order.
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

func tooFew(snap *Snapshot, replicas int) error {
	return apierror.New(apierror.TooFewDBServers, "not enough DB servers: %d replicas are wanted, and of %d DB servers %d can take shards",
		replicas, len(snap.DBServers()), len(snap.Available()))
}
