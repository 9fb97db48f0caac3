package job

import (
	"fmt"
	"slices"
	"strings"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/fsm"
)

// leaderOf begins the subject of the news that a shard has no leader.
const leaderOf = "leader of "

// heal makes jobs of what Plan and Current lack, whatever the reason was. It makes
// only such as can be done at once, so that none of them lingers.
func (v *view) heal() {
	busy := map[string]bool{}
	for _, list := range [][]job{v.todo, v.pending} {
		for _, j := range list {
			if j.Type == keys.JobFailedServer {
				busy[j.Server] = true // its children are about to be made
			}
		}
	}
	for _, s := range v.shards {
		lead := s.leader()
		switch {
		case s.resigned && v.lockedBy(s) == "" && !v.failed(lead):
			v.reinstate(s)
		case v.failed(lead) && !v.spared[lead] && !busy[lead]:
			v.healLeader(s)
		case v.stalled(s) && v.failure(s, lead) != "":
			v.createFor(s, keys.JobFailedLeader, lead, fmt.Sprintf("%s has not begun to serve term %d of %s", lead, s.term, s.label()))
		case !v.healFollower(s, busy):
			v.healCount(s)
		}
	}
	for subject := range v.watch.told {
		if shard, about := strings.CutPrefix(subject, leaderOf); about && v.named[shard] == nil {
			delete(v.watch.told, subject)
		}
	}
	v.returns()
	v.lost()
}

// createFor makes a job about one shard.
func (v *view) createFor(s *shard, kind, from, why string) {
	v.create(keys.Job{
		Type: kind, Database: s.db, Collection: s.cid, Shard: s.name, FromServer: from, IsLeader: kind == keys.JobFailedLeader,
	}, why)
}

// reinstate takes back a resignation that no job wants any more.
func (v *view) reinstate(s *shard) {
	tx := empty()
	s.unlocked(&tx)
	s.replan(&tx, s.planned, s.term)
	v.decide(Decision{
		Tx: tx, Step: LeaderStays, DB: s.db, Shard: s.name, Server: s.leader(),
		Detail: "no job wants " + s.label() + " to be led by another",
	})
}

// healLeader replaces a failed leader, or says once what that waits for.
func (v *view) healLeader(s *shard) {
	lead := s.leader()
	if v.failure(s, lead) != "" {
		v.createFor(s, keys.JobFailedLeader, lead, lead+" leads "+s.label()+" and is FAILED")
		return
	}
	next, waits := v.successor(s)
	if next.to == "" && v.watch.news(leaderOf+s.name, waits) {
		v.decide(Decision{
			Tx: empty(), Step: LeaderMissing, DB: s.db, Shard: s.name, Server: lead,
			Detail: fmt.Sprintf("%s, which leads %s, is FAILED, and no other can: %s", lead, s.label(), waits),
		})
	}
}

// healFollower replaces the first failed follower that can be replaced now.
func (v *view) healFollower(s *shard, busy map[string]bool) bool {
	delete(v.watch.told, leaderOf+s.name)
	for _, id := range s.planned[1:] {
		if v.failed(id) && !v.spared[id] && !busy[id] && v.failure(s, id) != "" {
			v.createFor(s, keys.JobFailedFollower, id, id+" follows in "+s.label()+" and is FAILED")
			return true
		}
	}
	return false
}

// healCount makes the number of replicas what the collection wants.
func (v *view) healCount(s *shard) {
	switch {
	case s.factor <= 0 || len(s.planned) == s.factor:
	case s.building || len(v.on[s.name]) > 0 || v.lockedBy(s) != "":
	case len(s.planned) < s.factor && v.free(s) != "":
		v.createFor(s, keys.JobAddFollower, "", fmt.Sprintf("%s has %d of %d replicas", s.label(), len(s.planned), s.factor))
	case len(s.planned) > s.factor && v.serving(s):
		v.createFor(s, keys.JobRemoveFollower, "", fmt.Sprintf("%s has %d replicas instead of %d", s.label(), len(s.planned), s.factor))
	}
}

// lost removes reports of shards that are in Plan no longer and whose leader
// cannot remove them itself, being failed or gone.
func (v *view) lost() {
	for db, collections := range v.root.At(keys.CurrentCollections).Children() {
		for cid, shards := range collections.Children() {
			for name, report := range shards.Children() {
				if s := v.named[name]; s != nil && s.db == db && s.cid == cid || v.root.At(keys.PlanShard(db, cid, name)).Exists() {
					continue
				}
				v.removeReport(db, cid, name, report)
			}
		}
	}
}

// removeReport does it in one transaction, which is all there is of its job.
func (v *view) removeReport(db, cid, name string, report *fsm.Node) {
	var r keys.CurrentShardReport
	if report.Decode(&r) != nil || len(r.Servers) == 0 {
		return
	}
	leader := strings.TrimPrefix(r.Servers[0], keys.Resigned)
	tx := empty()
	switch {
	case v.failed(leader) && !v.spared[leader]:
		v.isFailed(&tx, leader)
	case !slices.Contains(v.servers, leader):
		tx.Pre[keys.PlanDBServers+"/"+leader] = agencyclient.OldEmpty(true)
	default:
		return
	}
	id := v.number(&tx)
	now := stamp(v.now)
	current := keys.CurrentShard(db, cid, name)
	tx.Pre[current] = agencyclient.Exactly(report)
	tx.Pre[keys.PlanShard(db, cid, name)] = agencyclient.OldEmpty(true)
	tx.Ops[current] = agencyclient.Delete()
	tx.Ops[keys.CurrentVersion] = agencyclient.Increment(1)
	tx.Ops[keys.TargetFinished+"/"+id] = keys.Job{
		Type: keys.JobCleanUpLost, JobID: id, Creator: creator, TimeCreated: now, TimeStarted: now, TimeFinished: now,
		Server: leader, Database: db, Collection: cid, Shard: name,
	}
	v.decide(Decision{
		Tx: tx, Step: LostRemoved, Job: id, DB: db, Shard: name, Server: leader,
		Detail: name + " is in Plan no longer, and the server that led it is gone",
	})
}
