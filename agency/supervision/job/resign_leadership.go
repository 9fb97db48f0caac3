package job

import (
	"fmt"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job/facts"
	"stasis/event"
)

// resignLeadership moves all leaderships off a server, which keeps its replicas.
type resignLeadership struct{}

func (resignLeadership) begin(p *pass, j facts.Job) {
	server := j.Record.Server
	if !mayBeginDrain(p, j) {
		return
	}
	tx := p.out.start(j, keys.ServerLocks+"/"+server, nil)
	facts.RequirePlanned(&tx, server)
	p.out.decideOn(j, Decision{Tx: tx, Step: event.JobStarted, Detail: fmt.Sprintf(
		"resignLeadership: it leads %s", count(p.placement.leads[server], "shard", "shards"))})
}

// proceed hands every shard that the server leads to an heir. A shard without one keeps its
// leader: a restart of that server makes it wait, and loses nothing.
func (r resignLeadership) proceed(p *pass, j facts.Job) {
	d := newDrain(p, j)
	if reason := d.overdue(); reason != "" {
		p.windDown(j, reason)
		return
	}
	var next []keys.Job
	stay, again := 0, false
	for _, s := range p.facts.Shards {
		if s.Leader() != d.server || s.Building || d.moves(s.Name) {
			continue
		}
		to := r.heir(p, s)
		switch {
		case to == "" || d.failures(s.Name) >= attempts:
			stay++
		case !d.mayRetry(s):
			again = true
		default:
			p.placement.leads[to]++ // so that many shards get many leaders
			move := moveOf(s, d.server, to)
			move.RemainsFollower, move.UndoMoves = true, j.Record.UndoMoves
			next = append(next, move)
		}
	}
	// A shard that stays does not hold the job up: resigning is a courtesy to clients before a restart.
	d.goOn(next, "")
	if len(d.children) > 0 || len(next) > 0 || again || p.facts.LockAwaited {
		return
	}
	reason := ""
	if stay > 0 {
		reason = count(stay, "shard has no follower that can lead, and keeps its leader", "shards have no follower that can lead, and keep their leader")
	}
	p.out.finish(j, reason)
}

// heir is the follower that is to lead next, "" if there is none. A server that resigns itself, or
// that is drained, is none: two such servers would hand the same shards to each other for ever.
func (resignLeadership) heir(p *pass, s *facts.Shard) string {
	return p.placement.fewestLeads(filter(s.Followers(), func(id string) bool {
		return p.facts.Good(id) && p.facts.Trusted(s, id) && !p.facts.Draining(id) && !p.facts.Resigning(id)
	}))
}

func (resignLeadership) undo(*pass, facts.Job, *agencyclient.Tx) []string { return nil }
