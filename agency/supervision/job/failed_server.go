package job

import (
	"cmp"
	"fmt"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job/facts"
	"stasis/event"
)

// failedServer makes a child for every shard of a failed server that can be helped now. What
// cannot be helped now is left to reconcile, which looks at the shard again in every pass.
type failedServer struct{}

func (failedServer) begin(p *pass, j facts.Job) {
	server := j.Record.Server
	switch by := p.facts.ServerLockedBy(server); {
	case !p.facts.Failed(server): // it came back before the job began
		p.out.finish(j, server+" is "+cmp.Or(p.facts.Health(server), "gone")+" again")
		return
	case p.facts.InMaintenance(server):
		p.wait(j, server+" is in maintenance")
		return
	case by != "":
		p.wait(j, "job "+by+" has the lock of "+server)
		return
	}
	// The children are made in the transaction that begins the job. So no leader of the agency can
	// find the job begun without them.
	var children []keys.Job
	for _, s := range p.facts.Shards {
		if kind := p.remedy(s, server); kind != "" {
			children = append(children, jobFor(kind, s, server))
		}
	}
	tx := p.out.start(j, keys.ServerLocks+"/"+server, nil)
	p.facts.RequireFailed(&tx, server)
	p.out.addChildren(j, &tx, children)
	p.out.decideOn(j, Decision{Tx: tx, Step: event.JobStarted, Detail: fmt.Sprintf(
		"failedServer: it has %s; %s can be helped now",
		count(p.placement.holds[server], "replica", "replicas"), count(len(children), "shard", "shards"))})
}

// proceed ends the job with its last child. All children end soon: each is one transaction, or
// fails.
func (failedServer) proceed(p *pass, j facts.Job) {
	children := p.facts.Children(j.ID)
	switch {
	case len(children) == 0:
		p.out.finish(j, "")
	case p.agePending(j) > p.timeouts.Parent:
		p.out.fail(j, fmt.Sprintf("%s not ended within %v", count(len(children), "child has", "children have"), p.timeouts.Parent))
	}
}

// undo has nothing to take back: the children decide for themselves.
func (failedServer) undo(*pass, facts.Job, *agencyclient.Tx) []string { return nil }
