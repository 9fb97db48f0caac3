package job

import (
	"strings"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/event"
	"stasis/fsm"
)

// removeLostReports removes the reports of shards that are no longer in Plan, if the leader that
// would remove a report itself has failed or is gone.
func (p *pass) removeLostReports() {
	for db, collections := range p.facts.Root.At(keys.CurrentCollections).Children() {
		for cid, shards := range collections.Children() {
			for name, report := range shards.Children() {
				if s := p.facts.Shard(name); s != nil && s.DB == db && s.CID == cid {
					continue
				}
				if !p.facts.Root.At(keys.PlanShard(db, cid, name)).Exists() {
					p.removeLostReport(db, cid, name, report)
				}
			}
		}
	}
}

// removeLostReport removes one report, in one transaction. The job of that type is only a record
// among the finished ones: it is never to do.
func (p *pass) removeLostReport(db, cid, name string, report *fsm.Node) {
	var r keys.CurrentShardReport
	if report.Decode(&r) != nil || len(r.Servers) == 0 {
		return
	}
	leader := strings.TrimPrefix(r.Servers[0], keys.Resigned)
	tx := agencyclient.NewTx()
	switch {
	case p.facts.Failed(leader) && !p.facts.InMaintenance(leader):
		p.facts.RequireFailed(&tx, leader)
	case !p.facts.Planned(leader):
		tx.Pre[keys.PlanDBServers+"/"+leader] = agencyclient.OldEmpty(true)
	default:
		return // the leader lives, and removes its report itself
	}
	id, now := p.out.takeID(&tx), stamp(p.wall)
	current := keys.CurrentShard(db, cid, name)
	tx.Pre[current] = agencyclient.Exactly(report)
	tx.Pre[keys.PlanShard(db, cid, name)] = agencyclient.OldEmpty(true) // a restore may plan it again
	tx.Ops[current] = agencyclient.Delete()
	tx.Ops[keys.CurrentVersion] = agencyclient.Increment(1)
	tx.Ops[keys.TargetFinished+"/"+id] = keys.Job{
		Type: keys.JobCleanUpLost, JobID: id, Creator: creator, TimeCreated: now, TimeStarted: now, TimeFinished: now,
		Server: leader, Database: db, Collection: cid, Shard: name,
	}
	p.out.decide(Decision{
		Tx: tx, Step: event.LostReportRemoved, Job: id, DB: db, Shard: name, Server: leader,
		Detail: name + " is no longer in Plan, and the server that led it has FAILED or is gone",
	})
}
