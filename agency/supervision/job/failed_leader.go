package job

import (
	"fmt"
	"maps"

	"stasis/agency/keys"
	"stasis/agency/supervision/job/facts"
	"stasis/event"
)

// failedLeader names the successor of a leader that has FAILED or is stalled, in one
// transaction: Plan's servers, the next term, and the end of the job.
type failedLeader struct{ oneStep }

func (failedLeader) begin(p *pass, j facts.Job) {
	s, from := p.facts.Shard(j.Record.Shard), j.Record.FromServer
	switch {
	case s == nil:
		p.out.finish(j, "the shard is gone")
		return
	case s.Leader() != from:
		p.out.finish(j, from+" does not lead it any more")
		return
	case p.facts.ShardLockedBy(s) != "":
		p.wait(j, "job "+p.facts.ShardLockedBy(s)+" has the lock of the shard")
		return
	}
	tx := p.out.end(j, keys.TargetFinished, "")
	now := from + " is FAILED"
	// stalled is asked in every pass, also about a failed leader: its period would begin again.
	switch stalled := p.stalled(s); {
	case p.facts.Failed(from) && !p.facts.InMaintenance(from):
		p.facts.RequireFailed(&tx, from)
	case stalled:
		now = fmt.Sprintf("%s has not begun to serve term %d for longer than %v", from, s.Term, p.timeouts.Grace)
	default:
		p.out.finish(j, from+" may go on leading it")
		return
	}
	next, waits := p.successor(s)
	if next.to == "" {
		// It ends rather than waits: reconcile makes another job as soon as a server can lead, on what
		// is true then.
		p.out.fail(j, waits)
		return
	}
	maps.Copy(tx.Pre, next.tx.Pre)
	s.RequireUnlocked(&tx)
	// The old leader stays, as the last follower: when it comes back it copies only what it missed. The
	// next term makes its late reports and its requests to followers void.
	s.Change(&tx, s.LedBy(next.to), s.Term+1)
	p.placement.leads[next.to]++
	why := fmt.Sprintf("%s now leads %s in term %d because %s; %s", next.to, s.Label(), s.Term+1, now, next.why)
	p.out.credit(j, &tx, next.to, why)
	p.out.decideOn(j, Decision{Tx: tx, Step: event.ShardLeaderChanged, Server: next.to, Detail: why})
}
