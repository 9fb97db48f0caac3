package job

import (
	"fmt"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job/facts"
	"stasis/event"
	"stasis/fsm"
)

// returnLeaderships gives leaderships back to servers that resigned them for a restart, once the
// servers have been restarted and are in sync again. A return that has become pointless is
// dropped.
func (p *pass) returnLeaderships() {
	for shard, n := range p.facts.Root.At(keys.ReturnLeadership).Children() {
		var r keys.Return
		s := p.facts.Shard(shard)
		switch err := n.Decode(&r); {
		case err != nil:
			p.dropReturn(shard, n, "its record cannot be read")
		case s == nil:
			p.dropReturn(shard, n, "the shard is gone")
		case s.Leader() == r.Server:
			p.dropReturn(shard, n, "") // it leads already
		case !s.On(r.Server):
			p.dropReturn(shard, n, r.Server+" has no replica of it any more")
		case p.age("return "+shard, n) > p.timeouts.Return:
			p.dropReturn(shard, n, fmt.Sprintf("%s was not ready within %v", r.Server, p.timeouts.Return))
		case p.canReturn(s, r):
			p.returnLeadership(s, r, n)
		}
	}
}

// canReturn says that the server has restarted since it resigned, has every write again, and that
// the move would be neither in the way of the agency lock nor undone at once by a drain.
func (p *pass) canReturn(s *facts.Shard, r keys.Return) bool {
	reboots, _ := p.facts.RebootID(r.Server)
	return reboots > r.RebootID && len(p.facts.OnShard(s)) == 0 && !p.facts.LockAwaited &&
		p.facts.Serving(s) && p.facts.Good(r.Server) && p.facts.Trusted(s, r.Server) &&
		!p.facts.Resigning(r.Server) && !p.facts.Draining(r.Server)
}

// returnLeadership makes the move. The transaction takes the record of the return away, so that
// the move is made once.
func (p *pass) returnLeadership(s *facts.Shard, r keys.Return, was *fsm.Node) {
	move := moveOf(s, s.Leader(), r.Server)
	move.RemainsFollower = true
	d := p.out.create(move, fmt.Sprintf("%s resigned the leadership of %s for a restart (job %s), and is in sync again", r.Server, s.Label(), r.Job))
	key := keys.ReturnLeadership + "/" + s.Name
	d.Tx.Ops[key], d.Tx.Pre[key] = agencyclient.Delete(), agencyclient.Exactly(was)
}

// dropReturn removes the record of a return. Without a reason no event tells of it.
func (p *pass) dropReturn(shard string, was *fsm.Node, why string) {
	key := keys.ReturnLeadership + "/" + shard
	d := Decision{Tx: agencyclient.NewTx(), Shard: shard}
	d.Tx.Ops[key], d.Tx.Pre[key] = agencyclient.Delete(), agencyclient.Exactly(was)
	if why != "" {
		d.Step, d.Detail = event.LeadershipNotReturned, shard+": "+why
	}
	p.out.decide(d)
}
