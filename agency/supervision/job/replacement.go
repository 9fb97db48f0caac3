package job

import (
	agencyclient "stasis/agency/client"
	"stasis/agency/supervision/job/facts"
)

// replacement chooses who is to hold the replica of a failed follower, or says why no server
// does now.
//
// Only a leader that serves and has every write can make a new replica. A follower that still
// counts as in sync is worth one more grace period: the leader finds out in it, and until it has,
// the follower may come back without a copy. An idle leader finds out nothing, hence the bound.
func (p *pass) replacement(s *facts.Shard, from string) (to, waits string) {
	switch {
	case s.Building || !p.facts.Serving(s):
		return "", "its leader " + s.Leader() + " is not serving"
	case s.Factor > 0 && len(s.Servers) > s.Factor:
		return "", "it has more replicas than wanted"
	case s.CountsInSync(from) && p.age("unsynced "+s.Name+"/"+from, s.PlanNode, s.ReportNode) <= p.timeouts.Grace:
		return "", from + " still counts as in sync"
	}
	if to = p.placement.free(s); to == "" {
		return "", "no other GOOD server is free"
	}
	return to, ""
}

// adopt adds what has to hold for a server that gets a replica.
func (p *pass) adopt(s *facts.Shard, tx *agencyclient.Tx, to string) {
	facts.RequireGood(tx, to)
	p.facts.RequireStays(tx, to)
	s.RequireUnlocked(tx)
	s.RequireReport(tx)
	p.placement.holds[to]++
}
