package job

import (
	"slices"

	"stasis/agency/keys"
	"stasis/agency/supervision/job/facts"
)

// remedy is the type of job that can help a shard of a failed server now. It is "" if there is
// none, or if one has been asked for.
//
// Only jobs that can be done at once are made. A job that had to wait would be decided by
// the situation in which it was made, and not by that in which it is done.
func (p *pass) remedy(s *facts.Shard, server string) string {
	open := p.facts.OnShard(s)
	switch {
	case s.Leader() == server:
		// Another job of the shard is no obstacle: without a leader that job goes nowhere.
		asked := slices.ContainsFunc(open, func(j facts.Job) bool { return j.Record.Type == keys.JobFailedLeader })
		if next, _ := p.successor(s); next.to != "" && !asked {
			return keys.JobFailedLeader
		}
	case s.On(server) && len(open) == 0:
		if to, _ := p.replacement(s, server); to != "" {
			return keys.JobFailedFollower
		}
	}
	return ""
}

// jobFor is a job of one type about one shard.
func jobFor(kind string, s *facts.Shard, from string) keys.Job {
	return keys.Job{
		Type: kind, Database: s.DB, Collection: s.CID, Shard: s.Name, FromServer: from, IsLeader: kind == keys.JobFailedLeader,
	}
}

// moveOf is a move of one replica.
func moveOf(s *facts.Shard, from, to string) keys.Job {
	j := jobFor(keys.JobMoveShard, s, from)
	j.ToServer, j.IsLeader = to, s.Leader() == from
	return j
}
