package job

import (
	"fmt"
	"slices"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job/facts"
	"stasis/event"
)

// attempts is how often the move of a shard off a server may fail. The failed children are counted in
// Target/Failed, so that the next leader of the agency counts on.
const attempts = 3

// drain is a pending job that moves shards or leaderships off a server, and its children.
type drain struct {
	pass     *pass
	job      facts.Job
	server   string
	children []facts.Job // that have not ended
	failed   []keys.Job  // children that have failed
}

func newDrain(p *pass, j facts.Job) *drain {
	return &drain{pass: p, job: j, server: j.Record.Server, children: p.facts.Children(j.ID), failed: p.facts.FailedChildren(j.ID)}
}

// mayBeginDrain says whether a drain can begin, and if it cannot, lets it wait or gives it up.
func mayBeginDrain(p *pass, j facts.Job) bool {
	server := j.Record.Server
	switch by := p.facts.ServerLockedBy(server); {
	case !p.facts.Planned(server):
		p.giveUp(j, server+" is not a DB server in Plan")
	case p.facts.Failed(server):
		p.giveUp(j, server+" is FAILED")
	case p.facts.LockAwaited: // what begins now would stay pending, in the way of the agency lock
	case by != "":
		p.wait(j, "job "+by+" has the lock of "+server)
	default:
		return true
	}
	return false
}

// overdue says why the drain must be given up, "" if it may go on.
func (d *drain) overdue() string {
	switch {
	case d.job.Record.Abort:
		return aborted(d.job)
	case !d.pass.facts.Planned(d.server):
		return d.server + " is no longer a DB server in Plan"
	case d.pass.facts.Failed(d.server):
		return d.server + " is FAILED"
	case d.pass.agePending(d.job) > d.pass.timeouts.Parent:
		return fmt.Sprintf("it has not ended within %v", d.pass.timeouts.Parent)
	}
	return ""
}

// moves says whether a child is to move the shard.
func (d *drain) moves(shard string) bool {
	return slices.ContainsFunc(d.children, func(c facts.Job) bool { return c.Record.Shard == shard })
}

// failures counts the failed moves of the shard.
func (d *drain) failures(shard string) (n int) {
	for _, c := range d.failed {
		if c.Shard == shard {
			n++
		}
	}
	return n
}

// mayRetry says that the shard's last move has not failed just now. What made it fail (a server
// that has not been judged yet, a leader that has not begun) often lasts for a grace period.
func (d *drain) mayRetry(s *facts.Shard) bool {
	n := d.failures(s.Name)
	return n == 0 || d.pass.age(fmt.Sprintf("retry %s/%s/%d", d.job.ID, s.Name, n)) > d.pass.timeouts.Grace
}

// exhausted says which shard is still on the server after the last attempt to move it.
func (d *drain) exhausted() string {
	tried := map[string]int{}
	for _, c := range d.failed {
		if tried[c.Shard]++; tried[c.Shard] < attempts || d.moves(c.Shard) {
			continue
		}
		// A shard that is gone, or on the server no longer, needs no further attempt.
		if s := d.pass.facts.Shard(c.Shard); s != nil && s.On(d.server) {
			return fmt.Sprintf("%s could not be moved in %d attempts: %s", s.Label(), attempts, c.Reason)
		}
	}
	return ""
}

// goOn gives the drain its next children, or notes on its record what it is stuck at. While an
// operation waits for the agency lock it sets the drain back instead, once no child is pending:
// children that are pending come to an end of their own.
func (d *drain) goOn(next []keys.Job, stuck string) {
	j, out := d.job, d.pass.out
	switch {
	case d.pass.facts.LockAwaited:
		if !slices.ContainsFunc(d.children, facts.Job.IsPending) {
			out.setBack(j, "an operation waits for the agency lock")
		}
	case len(next) > 0:
		tx := agencyclient.NewTx()
		tx.Pre[j.Key()] = agencyclient.Exactly(j.Node)
		out.addChildren(j, &tx, next)
		out.decideOn(j, Decision{Tx: tx, Step: event.JobCreated, Detail: fmt.Sprintf("%s: %s to do", j.Record.Type, count(len(next), "move", "moves"))})
	case len(d.children) == 0 && stuck != "":
		out.note(j, stuck)
	}
}
