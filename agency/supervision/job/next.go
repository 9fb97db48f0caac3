package job

import (
	"time"

	"stasis/agency/keys"
	"stasis/fsm"
)

// Next decides what is to be done about the tree: the transactions to try, in order. It changes
// nothing but the memory. If some of the transactions were applied, there may be more to do on
// the tree after that. now is this machine's clock.
func Next(root *fsm.Node, m *Memory, now time.Time, t Timeouts) []Decision {
	return newPass(root, m, now, t, plannerOf).run()
}

// run decides about everything once. What is pending comes before what is to do, so that locks are
// given back before the next job asks for them. Jobs come before reconcile, which leaves alone what
// a job is about.
func (p *pass) run() []Decision {
	if p.facts.Frozen {
		// The memory forgets nothing here: what was seen before the freeze goes on to age in it.
		p.hold()
		p.trimEnded()
		return p.out.decisions
	}
	p.thaw()
	p.removeStaleLocks()
	for _, j := range p.facts.Pending {
		p.plannerOf(j.Record.Type).proceed(p, j)
	}
	for _, j := range p.facts.ToDo {
		p.begin(j)
	}
	reconcile(p)
	p.returnLeaderships()
	p.removeLostReports()
	p.trimEnded()
	p.memory.endPass()
	return p.out.decisions
}

// Busy says whether a job is pending: then the next pass follows sooner.
func Busy(root *fsm.Node) bool { return root.At(keys.TargetPending).Len() > 0 }
