package job

import (
	"fmt"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job/facts"
	"stasis/event"
)

// cleanOut moves all replicas off a server, which gets nothing new from the beginning on and
// is noted as clean in the end.
type cleanOut struct{}

// begin marks the server as one that gets nothing new, if there is room for its replicas.
func (cleanOut) begin(p *pass, j facts.Job) {
	server := j.Record.Server
	if !mayBeginDrain(p, j) {
		return
	}
	if p.facts.Cleaned(server) {
		p.out.finish(j, server+" is clean")
		return
	}
	// A clean-out that cannot end does not begin: meanwhile the server would get nothing new.
	for _, s := range p.facts.Shards {
		if s.On(server) && p.placement.free(s) == "" {
			p.giveUp(j, "no other GOOD server is free for "+s.Label())
			return
		}
	}
	tx := p.out.start(j, keys.ServerLocks+"/"+server, nil)
	p.facts.RequireStays(&tx, server)
	if !p.facts.ToBeCleaned(server) { // a clean-out that was set back is on the list already
		tx.Ops[keys.ToBeCleaned] = agencyclient.Push(server)
	}
	p.out.decideOn(j, Decision{Tx: tx, Step: event.JobStarted, Detail: fmt.Sprintf(
		"cleanOutServer: %s to be moved", count(p.placement.holds[server], "replica is", "replicas are"))})
}

// proceed moves what is on the server. Shards of collections that are still being created are
// left alone: their coordinator would find another Plan than the one that it has written.
func (c cleanOut) proceed(p *pass, j facts.Job) {
	d := newDrain(p, j)
	if reason := d.overdue(); reason != "" {
		p.windDown(j, reason)
		return
	}
	var next []keys.Job
	stuck := ""
	for _, s := range p.facts.Shards {
		if !s.On(d.server) || s.Building || d.moves(s.Name) {
			continue
		}
		move, waits := c.moveOff(d, s)
		if waits != "" {
			stuck = waits
			continue
		}
		next = append(next, move)
	}
	reason := d.exhausted()
	if idle := len(d.children) == 0 && len(next) == 0 && stuck != ""; reason == "" && idle &&
		p.age("stuck "+j.ID, j.Node.At("timeStarted")) > p.timeouts.Queue {
		reason = fmt.Sprintf("nothing could be moved for %v: %s", p.timeouts.Queue, stuck)
	}
	if reason != "" {
		p.windDown(j, reason)
		return
	}
	d.goOn(next, stuck)
	// If an operation waits for the agency lock, goOn has just set the job back.
	if len(d.children) == 0 && p.placement.holds[d.server] == 0 && !p.facts.LockAwaited {
		c.finish(p, j)
	}
}

// moveOff makes the move of one shard off the server, or says what it waits for.
func (cleanOut) moveOff(d *drain, s *facts.Shard) (move keys.Job, waits string) {
	if !d.mayRetry(s) {
		return keys.Job{}, "the last move of " + s.Label() + " failed, and the next attempt follows after the grace period"
	}
	to := d.pass.placement.free(s)
	if to == "" {
		return keys.Job{}, "no other GOOD server is free for " + s.Label()
	}
	d.pass.placement.holds[to]++ // before the move adds it, so that the next shard goes elsewhere
	return moveOf(s, d.server, to), ""
}

// finish notes the server as clean. It requires that Plan is as it was read: a coordinator may
// have put a shard there that it began to create before the server was marked.
func (cleanOut) finish(p *pass, j facts.Job) {
	tx := p.out.end(j, keys.TargetFinished, "")
	p.facts.RequireDrains(&tx)
	tx.Ops[keys.ToBeCleaned] = agencyclient.Erase(j.Record.Server)
	tx.Ops[keys.CleanedServers] = agencyclient.Push(j.Record.Server)
	tx.Pre[keys.PlanVersion] = agencyclient.Exactly(p.facts.Root.At(keys.PlanVersion))
	p.out.decideOn(j, Decision{Tx: tx, Step: event.JobFinished, Detail: "cleanOutServer: no shard is planned on it"})
}

// undo lets the server get replicas again.
func (cleanOut) undo(p *pass, j facts.Job, tx *agencyclient.Tx) []string {
	if p.facts.ToBeCleaned(j.Record.Server) {
		tx.Ops[keys.ToBeCleaned] = agencyclient.Erase(j.Record.Server)
	}
	return nil
}
