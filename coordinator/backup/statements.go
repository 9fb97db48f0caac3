package backup

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	dbserver "stasis/dbserver/client"
)

// plannedShard is a shard of the Plan that a backup has.
type plannedShard struct {
	db, cid, name string
	servers       []string // leader first, without the mark of one that is to resign
	term          uint64
}

func (s plannedShard) label() string { return fmt.Sprintf("shard %s of %s/%s", s.name, s.db, s.cid) }

// shards are the shards that a restore puts back: those of databases and collections that
// are not only being built.
func (p *storedPlan) shards() (map[string]plannedShard, error) {
	all := map[string]plannedShard{}
	for db, value := range p.collections {
		if entry, there := p.databases[db]; !there || building(entry) {
			continue
		}
		collections, ok := value.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("agency dump: Plan/Collections/%s is no object", db)
		}
		for cid, value := range collections {
			object, ok := value.(map[string]any)
			if !ok {
				return nil, fmt.Errorf("agency dump: Plan/Collections/%s/%s: is no object", db, cid)
			}
			if building(value) {
				continue
			}
			if err := addShards(all, db, cid, object); err != nil {
				return nil, fmt.Errorf("agency dump: Plan/Collections/%s/%s: %w", db, cid, err)
			}
		}
	}
	return all, nil
}

func building(entry any) bool {
	object, ok := entry.(map[string]any)
	return ok && object["isBuilding"] == true
}

func addShards(all map[string]plannedShard, db, cid string, collection map[string]any) error {
	shards, _ := collection["shards"].(map[string]any)
	for name, value := range shards {
		servers, ok := value.([]any)
		if !ok {
			return fmt.Errorf("shard %s has no list of servers", name)
		}
		s := plannedShard{db: db, cid: cid, name: name}
		for _, server := range servers {
			id, _ := server.(string)
			s.servers = append(s.servers, strings.TrimPrefix(id, resigned))
		}
		var err error
		if s.term, err = termOf(collection, name); err != nil {
			return err
		}
		if len(s.servers) > 0 {
			all[name] = s
		}
	}
	return nil
}

// termOf is the term of a shard; 0 if its collection has none.
func termOf(collection map[string]any, shard string) (uint64, error) {
	terms, _ := collection["shardTerms"].(map[string]any)
	number, _ := terms[shard].(json.Number)
	term, err := strconv.ParseUint(cmp.Or(number.String(), "0"), 10, 63)
	if err != nil {
		return 0, fmt.Errorf("term of shard %s: %w", shard, err)
	}
	return term, nil
}

// stated takes over what the leaders have stated with their cuts, about shards that are in
// Plan and that Plan has them lead. problems says, by shard, why one has no statement, or
// one that its other replicas do not bear out: then the attempt is no good.
func stated(planned map[string]plannedShard, cuts []answer[dbserver.CutResponse]) (all map[string]dbserver.ShardStatement, problems map[string]string) {
	all, problems = map[string]dbserver.ShardStatement{}, map[string]string{}
	from := map[string]dbserver.CutResponse{}
	names := map[string]string{}
	by := map[string]dbserver.ShardStatement{} // of the planned leaders
	for _, a := range cuts {
		from[a.id], names[a.id] = a.value, a.name
		for _, st := range a.value.Statements {
			if p, there := planned[st.Shard]; there && p.servers[0] == a.id {
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
		case st.Term != p.term:
			why = fmt.Sprintf("leads it in term %d, Plan has term %d", st.Term, p.term)
		}
		if why != "" {
			problems["the leader of "+p.label()] = cmp.Or(names[p.servers[0]], p.servers[0]) + " " + why
			continue
		}
		st.InSync = slices.DeleteFunc(slices.Clone(st.InSync), func(id string) bool { return !slices.Contains(p.servers, id) })
		all[name] = st
		for _, id := range st.InSync {
			if log := from[id].Logs[name]; id != p.servers[0] && log < st.Last.Seq {
				problems["a follower of "+p.label()] = fmt.Sprintf("%s is in sync, and has its log up to %d of %d: it has just been started", cmp.Or(names[id], id), log, st.Last.Seq)
			}
		}
	}
	return all, problems
}

// list is the statements in the order of the shards' names.
func listed(all map[string]dbserver.ShardStatement) []dbserver.ShardStatement {
	var out []dbserver.ShardStatement
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[name])
	}
	return out
}

// confirmed are the statements that all pieces bear out. Of a backup that was made without
// the global lock others may be wrong: a write may have come between statement and cut.
func confirmed(all map[string]dbserver.ShardStatement, pieces map[string]dbserver.Piece) map[string]dbserver.ShardStatement {
	kept := map[string]dbserver.ShardStatement{}
	for name, st := range all {
		if len(unlike(st, pieces)) == 0 {
			kept[name] = st
		}
	}
	return kept
}

// unlike says which replicas are not what a statement says: in sync, their logs the same
// up to where the leader's ended, and nothing else applied.
func unlike(st dbserver.ShardStatement, pieces map[string]dbserver.Piece) []string {
	if len(st.InSync) == 0 {
		return []string{fmt.Sprintf("shard %s: no replica is stated to be in sync", st.Shard)}
	}
	var out []string
	for _, id := range st.InSync {
		r, there := pieces[id].Replicas[st.Shard]
		switch {
		case !there:
			out = append(out, fmt.Sprintf("%s: shard %s was in sync, and its piece has no replica of it", id, st.Shard))
		case !r.Holds(st.Last):
			out = append(out, fmt.Sprintf("%s: shard %s was in sync at record %d of tenure %d.%d, and its piece does not have just that: its log ends at record %d of tenure %d.%d, applied up to %d, unfinished copy: %v",
				id, st.Shard, st.Last.Seq, st.Last.Term, st.Last.Reboot, r.Last.Seq, r.Last.Term, r.Last.Reboot, r.Committed, r.Copying))
		}
	}
	return out
}

// replicaProblems compares the replicas in the pieces with what the leaders have stated. A
// certificate of format 1 has no statements.
func (c *Certificate) replicaProblems(pieces map[string]dbserver.Piece) []string {
	var out []string
	missing := func(id string) bool { // which has been said
		_, certified := c.Servers[id]
		_, there := pieces[id]
		return certified && !there
	}
	for _, name := range slices.Sorted(maps.Keys(c.Shards)) {
		st := c.Shards[name]
		if in := slices.DeleteFunc(slices.Clone(st.InSync), missing); len(in) > 0 || len(st.InSync) == 0 {
			st.InSync = in
			out = append(out, unlike(st, pieces)...)
		}
	}
	return out
}

// planProblems compares the statements with the Plan that goes with them: there is one of
// the planned leader, in the planned term, of every shard; where the backup is marked, some
// may be missing.
func (c *Certificate) planProblems(planned map[string]plannedShard) []string {
	if c.Format < formatStatements {
		return nil
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(planned)) {
		p := planned[name]
		st, there := c.Shards[name]
		switch {
		case !there && !c.PotentiallyInconsistent:
			out = append(out, p.label()+": no leader has stated who was in sync")
		case there && (len(st.InSync) == 0 || st.InSync[0] != p.servers[0] || st.Term != p.term):
			out = append(out, fmt.Sprintf("%s: %v stated in term %d who was in sync, Plan has %v in term %d", p.label(), st.InSync, st.Term, p.servers, p.term))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Shards)) {
		if _, there := planned[name]; !there {
			out = append(out, "shard "+name+" is certified and not in Plan")
		}
	}
	return out
}
