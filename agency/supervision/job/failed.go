package job

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/fsm"
	"stasis/internal/failpoint"
)

// beginFailedServer makes one child for every shard of the server about which
// something can be done now. What cannot be done now is left to heal.
func (v *view) beginFailedServer(j job) {
	switch by := v.serverLockedBy(j.Server); {
	case !v.failed(j.Server):
		v.finish(j, j.Server+" is "+cmp.Or(v.health[j.Server], "gone")+" again")
		return
	case v.spared[j.Server]:
		v.wait(j, j.Server+" is in maintenance")
		return
	case by != "":
		v.wait(j, "job "+by+" has "+j.Server)
		return
	}
	tx := v.start(j, keys.ServerLocks+"/"+j.Server, nil)
	v.isFailed(&tx, j.Server)
	children := v.failures(j.Server)
	v.bear(j, &tx, children)
	v.decide(v.about(j, Decision{Tx: tx, Step: Started, Detail: fmt.Sprintf(
		"failedServer: it has %s; %s can be helped now",
		count(v.holds[j.Server], "replica", "replicas"), count(len(children), "shard", "shards"))}))
}

// failures lists what can be done now about a server's replicas.
func (v *view) failures(server string) []keys.Job {
	var all []keys.Job
	for _, s := range v.shards {
		if kind := v.failure(s, server); kind != "" {
			all = append(all, keys.Job{
				Type: kind, Database: s.db, Collection: s.cid, Shard: s.name, FromServer: server, IsLeader: kind == keys.JobFailedLeader,
			})
		}
	}
	return all
}

// failure is the job that can help a shard of a failed server now, "" if there is
// none, or one is under way.
func (v *view) failure(s *shard, server string) string {
	has := func(kind string) bool {
		return slices.ContainsFunc(v.on[s.name], func(j job) bool { return j.Type == kind })
	}
	switch {
	case s.leader() == server:
		if next, _ := v.successor(s); next.to != "" && !has(keys.JobFailedLeader) {
			return keys.JobFailedLeader
		}
	case slices.Contains(s.planned, server) && len(v.on[s.name]) == 0:
		if to, _ := v.replacement(s, server); to != "" {
			return keys.JobFailedFollower
		}
	}
	return ""
}

// proceedFailedServer ends the job with its last child. All of them end soon:
// each is one transaction, or fails.
func (v *view) proceedFailedServer(j job) {
	left := v.children(j.id)
	switch {
	case len(left) == 0:
		v.finish(j, "")
	case v.watch.age(v.now, "pending "+j.id, j.was.At("timeStarted")) > v.timing.Parents:
		v.fail(j, fmt.Sprintf("%s not ended within %v", count(len(left), "child has", "children have"), v.timing.Parents))
	}
}

// succession is who is to lead, why, and what that is based on.
type succession struct {
	to, why string
	tx      agencyclient.Tx // preconditions only
}

// successor chooses who leads a shard after its leader, or says what it waits for.
//
// Only a trusted server is sure to have every acknowledged write. One that is
// recorded as failed may only stand still, and come back with them: it is waited for
// until it has been away for Forsake. Then a member of the in-sync set that has been
// started anew is the best there is, and at once if nobody is trusted: it compares
// positions with all others it can reach before it serves. A server out of sync never
// leads while a report exists. Where none does, or a restore has left one that
// trusts no server, what is on the servers is equal or unknown, and they have their turns: each
// leads only when it has heard all others.
func (v *view) successor(s *shard) (succession, string) {
	next := succession{tx: empty()}
	s.reported(&next.tx)
	others := s.planned[1:]
	good := func(id string) bool { return v.good(id) }
	if len(s.synced) == 0 {
		able := filter(others, good)
		return v.chosen(next, s, able[:min(1, len(able))], "nobody has served it since it is planned"), "no planned replica is GOOD"
	}
	members := filter(others, func(id string) bool { return slices.Contains(s.synced, id) })
	trusted := filter(members, func(id string) bool { return v.trusted(s, id) })
	if able := filter(trusted, good); len(able) > 0 {
		next = v.chosen(next, s, able, "it is in sync")
		v.notRestarted(&next.tx, next.to)
		return next, ""
	}
	if s.report.Unsure() {
		return v.chosen(next, s, filter(members, good), "the backup that was restored does not say who was in sync: it leads when it has heard all others"),
			"no planned replica is GOOD"
	}
	if v.trusted(s, s.leader()) {
		trusted = append(trusted, s.leader())
	}
	if alive := filter(trusted, func(id string) bool { return !v.failed(id) }); len(alive) > 0 {
		return succession{}, "only " + strings.Join(alive, ", ") + " has every write, and is not GOOD"
	}
	away := []*fsm.Node{s.reportWas}
	for _, id := range trusted {
		v.isFailed(&next.tx, id)
		away = append(away, v.root.At(keys.ServerHealth(id)+"/Status"))
	}
	if patience := v.watch.age(v.now, "forsaken "+s.name, away...); len(trusted) > 0 && patience <= v.timing.Forsake {
		return succession{}, fmt.Sprintf("only %s has every write, and is FAILED: it is waited for up to %v", strings.Join(trusted, ", "), v.timing.Forsake)
	}
	return v.chosen(next, s, filter(members, good), "it was in sync before it was started anew, and all that are in sync have FAILED"),
		"nobody of its in-sync set is GOOD: " + strings.Join(s.synced, ", ")
}

// chosen is the best of the candidates, if there are any.
func (v *view) chosen(next succession, s *shard, candidates []string, why string) succession {
	next.to = v.best(v.leads, candidates)
	if next.to == "" {
		return succession{}
	}
	isGood(&next.tx, next.to)
	next.why = why
	if len(candidates) > 1 {
		next.why += fmt.Sprintf(", and of %s it leads the fewest shards", strings.Join(slices.Sorted(slices.Values(candidates)), ", "))
	}
	return next
}

func filter(list []string, keep func(string) bool) []string {
	var kept []string
	for _, id := range list {
		if keep(id) {
			kept = append(kept, id)
		}
	}
	return kept
}

// stalled says that the planned leader, though not failed, has not begun to serve
// for longer than the grace period, while somebody trusted could: neither in its term,
// nor, if it was started anew within it, again. Or that nobody has served the shard
// since it is planned, or since a restore that trusts no server (its replica may be one that
// was just being copied). It has acknowledged nothing since, and its report will come too late.
func (v *view) stalled(s *shard) bool {
	begun := s.report != nil && int64(s.report.Term) >= s.term && v.trusted(s, s.leader())
	if s.building || s.resigned || begun {
		return false
	}
	reboots := v.root.At(keys.ServerKnown(s.leader()) + "/rebootId")
	if v.watch.age(v.now, "stalled "+s.name, s.planWas, s.termWas, s.reportWas, reboots) <= v.timing.Grace {
		return false
	}
	if s.report == nil || s.report.Unsure() {
		return slices.ContainsFunc(s.planned[1:], v.good)
	}
	return slices.ContainsFunc(s.planned[1:], func(id string) bool { return v.good(id) && v.trusted(s, id) })
}

// failedLeader names the successor of a leader, in one transaction.
func (v *view) failedLeader(j job) {
	s := v.named[j.Shard]
	switch {
	case s == nil:
		v.finish(j, "the shard is gone")
		return
	case s.leader() != j.FromServer:
		v.finish(j, j.FromServer+" does not lead it any more")
		return
	case v.lockedBy(s) != "":
		v.wait(j, "job "+v.lockedBy(s)+" has the shard")
		return
	}
	tx := v.end(j, keys.TargetFinished, "")
	now := j.FromServer + " is FAILED"
	switch stalled := v.stalled(s); {
	case v.failed(j.FromServer) && !v.spared[j.FromServer]:
		v.isFailed(&tx, j.FromServer)
	case stalled:
		now = fmt.Sprintf("%s has not begun to serve term %d for longer than %v", j.FromServer, s.term, v.timing.Grace)
	default:
		v.finish(j, j.FromServer+" may go on leading it")
		return
	}
	next, waits := v.successor(s)
	if next.to == "" {
		v.fail(j, waits)
		return
	}
	for path, condition := range next.tx.Pre {
		tx.Pre[path] = condition
	}
	s.unlocked(&tx)
	s.replan(&tx, append(append([]string{next.to}, without(s.planned[1:], next.to)...), s.leader()), s.term+1)
	if failpoint.Off("term-is-raised") {
		delete(tx.Ops, s.termKey())
	}
	v.leads[next.to]++
	why := fmt.Sprintf("%s now leads %s in term %d because %s; %s", next.to, s.label(), s.term+1, now, next.why)
	v.credit(j, &tx, next.to, why)
	v.decide(v.about(j, Decision{Tx: tx, Step: LeaderChanged, Server: next.to, Detail: why}))
}

// credit notes on an ending job which server it chose, and why.
func (v *view) credit(j job, tx *agencyclient.Tx, server, why string) {
	ended := keys.TargetFinished + "/" + j.id
	if record, ok := tx.Ops[ended].(keys.Job); ok {
		record.ToServer, record.Reason = server, v.say(why)
		tx.Ops[ended] = record
	}
}

// replacement chooses who is to hold the replica of a failed follower, or says
// why nobody now. Only a leader that serves and has every write can make a new
// replica; and a follower that is still in sync is worth waiting for a little,
// until the leader has found out.
func (v *view) replacement(s *shard, from string) (to, waits string) {
	lead := s.leader()
	switch {
	case s.building || s.resigned || !v.good(lead) || !s.serves() || !v.trusted(s, lead):
		return "", lead + " does not lead it in good order"
	case s.factor > 0 && len(s.planned) > s.factor:
		return "", "it has more replicas than wanted"
	case slices.Contains(s.synced, from) && v.watch.age(v.now, "unsynced "+s.name+"/"+from, s.planWas, s.reportWas) <= v.timing.Grace:
		return "", from + " still counts as in sync"
	}
	if to = v.free(s); to == "" {
		return "", "no other GOOD server is free"
	}
	return to, ""
}

// failedFollower replaces a follower, in one transaction.
func (v *view) failedFollower(j job) {
	s, from := v.named[j.Shard], j.FromServer
	switch {
	case s == nil:
		v.finish(j, "the shard is gone")
		return
	case !slices.Contains(s.planned[1:], from):
		v.finish(j, from+" is not its follower any more")
		return
	case !v.failed(from) || v.spared[from]:
		v.finish(j, from+" may go on as its follower")
		return
	case v.lockedBy(s) != "":
		v.wait(j, "job "+v.lockedBy(s)+" has the shard")
		return
	}
	to, waits := v.replacement(s, from)
	if to == "" {
		v.fail(j, waits)
		return
	}
	tx := v.end(j, keys.TargetFinished, "")
	v.isFailed(&tx, from)
	isGood(&tx, s.leader())
	v.notRestarted(&tx, s.leader())
	v.adopt(s, &tx, to)
	servers := slices.Clone(s.planned)
	servers[slices.Index(servers, from)] = to
	s.replan(&tx, servers, s.term)
	why := fmt.Sprintf("%s takes the place of %s in %s because that is FAILED; of all GOOD servers without a replica it has the fewest (%d)",
		to, from, s.label(), v.holds[to]-1)
	v.credit(j, &tx, to, why)
	v.decide(v.about(j, Decision{Tx: tx, Step: Replaced, Server: to, Detail: why}))
}

// adopt adds what has to hold for a server that gets a replica.
func (v *view) adopt(s *shard, tx *agencyclient.Tx, to string) {
	isGood(tx, to)
	v.stays(tx, to)
	s.unlocked(tx)
	s.reported(tx)
	v.holds[to]++
}
