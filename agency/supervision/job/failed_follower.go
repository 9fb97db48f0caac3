package job

import (
	"fmt"
	"slices"

	"stasis/agency/keys"
	"stasis/agency/supervision/job/facts"
	"stasis/event"
)

// failedFollower puts another server in the place of a failed follower, in one transaction.
type failedFollower struct{ oneStep }

func (failedFollower) begin(p *pass, j facts.Job) {
	s, from := p.facts.Shard(j.Record.Shard), j.Record.FromServer
	switch {
	case s == nil:
		p.out.finish(j, "the shard is gone")
		return
	case !s.FollowedBy(from):
		p.out.finish(j, from+" is not its follower any more")
		return
	case !p.facts.Failed(from) || p.facts.InMaintenance(from):
		p.out.finish(j, from+" may go on as its follower")
		return
	case p.facts.ShardLockedBy(s) != "":
		p.wait(j, "job "+p.facts.ShardLockedBy(s)+" has the lock of the shard")
		return
	}
	to, waits := p.replacement(s, from)
	if to == "" { // reconcile asks again in every pass
		p.out.fail(j, waits)
		return
	}
	tx := p.out.end(j, keys.TargetFinished, "")
	p.facts.RequireFailed(&tx, from)
	// The leader is what the new replica is copied from, so it is to be what it was: GOOD, and
	// not restarted.
	facts.RequireGood(&tx, s.Leader())
	p.facts.RequireNotRestarted(&tx, s.Leader())
	p.adopt(s, &tx, to)
	// In the same place, and in the same term: the leader leads on without a pause.
	servers := slices.Clone(s.Servers)
	servers[slices.Index(servers, from)] = to
	s.Change(&tx, servers, s.Term)
	why := fmt.Sprintf("%s takes the place of %s in %s because %s is FAILED; of all GOOD servers without a replica it has the fewest (%d)",
		to, from, s.Label(), from, p.placement.holds[to]-1)
	p.out.credit(j, &tx, to, why)
	p.out.decideOn(j, Decision{Tx: tx, Step: event.FollowerReplaced, Server: to, Detail: why})
}
