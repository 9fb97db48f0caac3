package job

import (
	"cmp"
	"slices"

	"stasis/agency/keys"
	"stasis/agency/supervision/job/facts"
	"stasis/internal/failpoint"
)

// movesAtOnce bounds how many moves towards one server are pending: each makes the server copy
// a shard.
const movesAtOnce = 4

// placement counts what each server has, and chooses servers by that. What a pass decides is
// counted at once, though it is not in the tree yet: otherwise all decisions of one pass would
// choose the same server.
type placement struct {
	facts  *facts.Snapshot
	leads  map[string]int // shards that a server leads by Plan
	holds  map[string]int // replicas that are planned on it
	moving map[string]int // pending moves towards it
}

func newPlacement(f *facts.Snapshot) *placement {
	p := &placement{facts: f, leads: map[string]int{}, holds: map[string]int{}, moving: map[string]int{}}
	for _, s := range f.Shards {
		p.leads[s.Leader()]++
		for _, id := range s.Servers {
			p.holds[id]++
		}
	}
	for _, j := range f.Pending {
		if j.Record.Type == keys.JobMoveShard {
			p.moving[j.Record.ToServer]++
		}
	}
	return p
}

// free is the GOOD server with the fewest replicas that may get one of the shard, the first by
// id among equals, or "" if there is none.
//
// A server in the report's in-sync set gets none, even if no replica is planned on it: it has
// dropped its replica, and the leader has not noticed. The new, empty replica would count as in
// sync with the reboot id that the server has.
func (p *placement) free(s *facts.Shard) string {
	return p.fewest(p.holds, slices.DeleteFunc(slices.Clone(p.facts.Servers), func(id string) bool {
		return !p.facts.Good(id) || p.facts.Draining(id) || p.facts.InMaintenance(id) || s.On(id) ||
			s.CountsInSync(id) && !failpoint.Off("counted-gets-no-replica")
	}))
}

// fewestLeads is the server that leads the fewest shards, as fewest has it.
func (p *placement) fewestLeads(among []string) string { return p.fewest(p.leads, among) }

// fewest is the server with the smallest count, the first by id among equals, or "" if among is
// empty. Servers that are drained come last.
func (p *placement) fewest(count map[string]int, among []string) string {
	if len(among) == 0 {
		return ""
	}
	last := func(id string) int {
		if p.facts.Draining(id) || p.facts.Resigning(id) {
			return 1
		}
		return 0
	}
	return slices.MinFunc(among, func(a, b string) int {
		return cmp.Or(cmp.Compare(last(a), last(b)), cmp.Compare(count[a], count[b]), cmp.Compare(a, b))
	})
}
