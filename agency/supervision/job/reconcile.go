package job

import (
	"fmt"
	"strings"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job/facts"
	"stasis/event"
)

// leaderOf begins the subject of the news that a shard has no leader.
const leaderOf = "leader of "

// reconciler makes jobs of what Plan and Current lack.
type reconciler struct {
	p    *pass
	busy map[string]bool // servers with a failedServer, whose children are about to be made
}

// reconcile makes jobs of what Plan and Current lack, whatever the reason was: a failure during
// a maintenance, a job that failed, an edit by hand. It makes only jobs that can be done at once,
// so that none of them lingers.
func reconcile(p *pass) {
	r := reconciler{p: p, busy: map[string]bool{}}
	for _, j := range p.facts.Open() {
		if j.Record.Type == keys.JobFailedServer {
			r.busy[j.Record.Server] = true
		}
	}
	for _, s := range p.facts.Shards {
		r.reconcile(s)
	}
	for subject := range p.memory.told {
		if shard, about := strings.CutPrefix(subject, leaderOf); about && p.facts.Shard(shard) == nil {
			delete(p.memory.told, subject)
		}
	}
}

// reconcile does the most urgent for one shard. The next pass does the rest, on the tree that
// this leaves.
func (r reconciler) reconcile(s *facts.Shard) {
	p, lead := r.p, s.Leader()
	switch {
	case s.Resigned && p.facts.ShardLockedBy(s) == "" && !p.facts.Failed(lead):
		// A leader that has failed is replaced below, resigned or not.
		r.reinstate(s)
	case p.facts.Failed(lead) && !p.facts.InMaintenance(lead) && !r.busy[lead]:
		r.replaceLeader(s)
	case p.stalled(s) && p.remedy(s, lead) != "":
		p.out.create(jobFor(keys.JobFailedLeader, s, lead), fmt.Sprintf("%s has not begun to serve term %d of %s", lead, s.Term, s.Label()))
	case !r.replaceFollower(s):
		r.matchFactor(s)
	}
}

// reinstate takes back a resignation that no job wants any more.
func (r reconciler) reinstate(s *facts.Shard) {
	tx := agencyclient.NewTx()
	s.RequireUnlocked(&tx)
	s.Change(&tx, s.Servers, s.Term)
	r.p.out.decide(Decision{
		Tx: tx, Step: event.ShardLeaderStays, DB: s.DB, Shard: s.Name, Server: s.Leader(),
		Detail: "no job wants another leader for " + s.Label(),
	})
}

// replaceLeader replaces a failed leader, or says once what that waits for.
func (r reconciler) replaceLeader(s *facts.Shard) {
	lead := s.Leader()
	if r.p.remedy(s, lead) != "" {
		r.p.out.create(jobFor(keys.JobFailedLeader, s, lead), lead+" leads "+s.Label()+" and is FAILED")
		return
	}
	// The same reason is told once, and not in every pass that it lasts.
	next, waits := r.p.successor(s)
	if next.to == "" && r.p.memory.news(leaderOf+s.Name, waits) {
		r.p.out.decide(Decision{
			Tx: agencyclient.NewTx(), Step: event.ShardLeaderMissing, DB: s.DB, Shard: s.Name, Server: lead,
			Detail: fmt.Sprintf("%s, which leads %s, is FAILED, and no other can: %s", lead, s.Label(), waits),
		})
	}
}

// replaceFollower replaces the first failed follower that can be replaced now, and says whether
// there is one. One at a time: the next is chosen on the Plan that this one leaves.
func (r reconciler) replaceFollower(s *facts.Shard) bool {
	delete(r.p.memory.told, leaderOf+s.Name)
	for _, id := range s.Followers() {
		if r.p.facts.Failed(id) && !r.p.facts.InMaintenance(id) && !r.busy[id] && r.p.remedy(s, id) != "" {
			r.p.out.create(jobFor(keys.JobFailedFollower, s, id), id+" is a follower of "+s.Label()+" and is FAILED")
			return true
		}
	}
	return false
}

// matchFactor makes the number of replicas what the collection wants.
func (r reconciler) matchFactor(s *facts.Shard) {
	switch {
	case s.Factor <= 0 || len(s.Servers) == s.Factor:
	case s.Building || len(r.p.facts.OnShard(s)) > 0 || r.p.facts.ShardLockedBy(s) != "":
		// A job of the shard may change the number: a move has one replica too many on its way.
	case len(s.Servers) < s.Factor && r.p.placement.free(s) != "":
		r.p.out.create(jobFor(keys.JobAddFollower, s, ""), fmt.Sprintf("%s has %d of %d replicas", s.Label(), len(s.Servers), s.Factor))
	case len(s.Servers) > s.Factor && r.p.facts.Serving(s):
		r.p.out.create(jobFor(keys.JobRemoveFollower, s, ""), fmt.Sprintf("%s has %d replicas instead of %d", s.Label(), len(s.Servers), s.Factor))
	}
}
