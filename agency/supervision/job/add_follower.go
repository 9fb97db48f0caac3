package job

import (
	"fmt"

	"stasis/agency/keys"
	"stasis/agency/supervision/job/facts"
	"stasis/event"
)

// addFollower gives a shard one more replica, in one transaction.
type addFollower struct{ oneStep }

func (addFollower) begin(p *pass, j facts.Job) {
	s := p.facts.Shard(j.Record.Shard)
	switch {
	case s == nil:
		p.out.finish(j, "the shard is gone")
		return
	case s.Factor > 0 && len(s.Servers) >= s.Factor:
		p.out.finish(j, "it has enough replicas")
		return
	case p.facts.ShardLockedBy(s) != "":
		p.wait(j, "job "+p.facts.ShardLockedBy(s)+" has the lock of the shard")
		return
	}
	to := p.placement.free(s)
	if to == "" {
		p.out.fail(j, "no other GOOD server is free")
		return
	}
	// The leader need not be GOOD, or serve: the replica is made when it does.
	tx := p.out.end(j, keys.TargetFinished, "")
	p.adopt(s, &tx, to)
	s.Change(&tx, append(s.Marked(), to), s.Term)
	why := fmt.Sprintf("%s gets a replica of %s because %d are planned and %d wanted; of all GOOD servers without one it has the fewest replicas (%d)",
		to, s.Label(), len(s.Servers), s.Factor, p.placement.holds[to]-1)
	p.out.credit(j, &tx, to, why)
	p.out.decideOn(j, Decision{Tx: tx, Step: event.FollowerAdded, Server: to, Detail: why})
}
