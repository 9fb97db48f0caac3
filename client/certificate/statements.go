package certificate

import (
	"fmt"
	"maps"
	"slices"
)

// Listed returns the statements in the order of the shards' names.
func Listed(all map[string]Statement) []Statement {
	var out []Statement
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[name])
	}
	return out
}

// Confirmed returns the statements that all pieces confirm. Those of a backup without the global
// lock may be wrong: a write may have happened between statement and cut.
func Confirmed(all map[string]Statement, pieces map[string]Piece) map[string]Statement {
	kept := map[string]Statement{}
	for name, st := range all {
		if len(differences(st, pieces)) == 0 {
			kept[name] = st
		}
	}
	return kept
}

// Statement returns the statement about a shard. A nil certificate has none.
func (c *Certificate) Statement(shard string) (st Statement, known bool) {
	if c == nil {
		return st, false
	}
	st, known = c.Shards[shard]
	return st, known
}

// StatementsFor returns the statements about the shards that a server had by Plan. A nil
// certificate has none.
func (c *Certificate) StatementsFor(server string, planned map[string]Shard) []Statement {
	if c == nil {
		return nil
	}
	var out []Statement
	for _, st := range Listed(c.Shards) {
		if slices.Contains(planned[st.Shard].Servers, server) {
			out = append(out, st)
		}
	}
	return out
}

// differences returns which replicas contradict a statement. They must be in sync, their logs the
// same up to the end of the leader's, and nothing else applied.
func differences(st Statement, pieces map[string]Piece) []string {
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

// replicaProblems compares the replicas in the pieces with what the leaders stated. A
// certificate of format 1 has no statements.
func (c *Certificate) replicaProblems(pieces map[string]Piece) []string {
	var out []string
	missing := func(id string) bool { // PieceProblems reports these
		_, certified := c.Servers[id]
		_, there := pieces[id]
		return certified && !there
	}
	for _, name := range slices.Sorted(maps.Keys(c.Shards)) {
		st := c.Shards[name]
		if in := slices.DeleteFunc(slices.Clone(st.InSync), missing); len(in) > 0 || len(st.InSync) == 0 {
			st.InSync = in
			out = append(out, differences(st, pieces)...)
		}
	}
	return out
}

// PlanProblems compares the statements with the Plan that goes with them. Every shard needs
// a statement of its planned leader, in the planned term; for a backup that is potentially
// inconsistent some may be missing.
func (c *Certificate) PlanProblems(planned map[string]Shard) []string {
	if c.Format < formatStatements {
		return nil
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(planned)) {
		p := planned[name]
		st, there := c.Shards[name]
		switch {
		case !there && !c.PotentiallyInconsistent:
			out = append(out, p.Label()+": no leader has stated who was in sync")
		case there && (len(st.InSync) == 0 || st.InSync[0] != p.Servers[0] || st.Term != p.Term):
			out = append(out, fmt.Sprintf("%s: %v stated in term %d who was in sync, Plan has %v in term %d", p.Label(), st.InSync, st.Term, p.Servers, p.Term))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Shards)) {
		if _, there := planned[name]; !there {
			out = append(out, "shard "+name+" is certified and not in Plan")
		}
	}
	return out
}
