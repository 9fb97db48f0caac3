package job

import (
	"cmp"
	"fmt"
	"slices"

	"stasis/agency/keys"
	"stasis/agency/supervision/job/facts"
	"stasis/event"
)

// removeFollower takes one replica too many away, in one transaction: never the leader's, and
// only while the leader serves, so that a replica with every write stays.
type removeFollower struct{ oneStep }

func (r removeFollower) begin(p *pass, j facts.Job) {
	s := p.facts.Shard(j.Record.Shard)
	switch {
	case s == nil:
		p.out.finish(j, "the shard is gone")
		return
	case s.Factor <= 0 || len(s.Servers) <= s.Factor:
		p.out.finish(j, "it has no more replicas than wanted")
		return
	case p.facts.ShardLockedBy(s) != "":
		p.wait(j, "job "+p.facts.ShardLockedBy(s)+" has the lock of the shard")
		return
	case !p.facts.Serving(s):
		p.out.fail(j, s.Leader()+" does not serve it")
		return
	}
	// The preconditions keep a complete replica: the leader is GOOD and was not restarted, so it has
	// every write; the report and Plan are as they were read, so the leader is still that one.
	from, because := r.surplus(p, s)
	tx := p.out.end(j, keys.TargetFinished, "")
	facts.RequireGood(&tx, s.Leader())
	p.facts.RequireNotRestarted(&tx, s.Leader())
	s.RequireUnlocked(&tx)
	s.RequireReport(&tx)
	s.Change(&tx, s.Without(from), s.Term)
	p.placement.holds[from]--
	why := fmt.Sprintf("%s gives up its replica of %s because %d are planned and %d wanted; %s", from, s.Label(), len(s.Servers), s.Factor, because)
	p.out.credit(j, &tx, from, why)
	p.out.decideOn(j, Decision{Tx: tx, Step: event.FollowerRemoved, Server: from, Detail: why})
}

// surplus is the follower whose loss is the smallest, and why. The order of the cases is the
// order of the choice; among equals the server with the most replicas loses one.
func (removeFollower) surplus(p *pass, s *facts.Shard) (id, because string) {
	rank := func(id string) (int, string) {
		insync := p.facts.Trusted(s, id)
		switch {
		case !insync && p.facts.Failed(id):
			return 0, "it is FAILED and out of sync"
		case !insync && p.facts.Draining(id):
			return 1, "it is out of sync, and its server is drained"
		case !insync:
			return 2, "it is out of sync"
		case p.facts.Draining(id):
			return 3, "its server is drained"
		}
		return 4, "its server has the most replicas"
	}
	id = slices.MinFunc(s.Followers(), func(a, b string) int {
		rankA, _ := rank(a)
		rankB, _ := rank(b)
		return cmp.Or(cmp.Compare(rankA, rankB), cmp.Compare(p.placement.holds[b], p.placement.holds[a]), cmp.Compare(b, a))
	})
	_, because = rank(id)
	return id, because
}
