package job

import (
	"fmt"
	"slices"
	"strings"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
)

// attempts is how often a shard may fail to move before its parent is given up.
const attempts = 3

// beginCleanOut marks the server as one that gets nothing new. Its shards follow.
func (v *view) beginCleanOut(j job) {
	listed := slices.Contains(textsOf(v.root.At(keys.ToBeCleaned)), j.Server)
	if !v.mayBegin(j) {
		return
	}
	if slices.Contains(textsOf(v.root.At(keys.CleanedServers)), j.Server) {
		v.finish(j, j.Server+" is clean")
		return
	}
	for _, s := range v.shards {
		if slices.Contains(s.planned, j.Server) && v.freeBut(s, j.Server) == "" {
			v.giveUp(j, "no other GOOD server is free for "+s.label())
			return
		}
	}
	tx := v.start(j, keys.ServerLocks+"/"+j.Server, nil)
	v.lists(&tx)
	tx.Pre[keys.PlanDBServers+"/"+j.Server] = agencyclient.OldEmpty(false)
	if !listed {
		tx.Ops[keys.ToBeCleaned] = agencyclient.Push(j.Server)
	}
	v.decide(v.about(j, Decision{Tx: tx, Step: Started, Detail: fmt.Sprintf(
		"cleanOutServer: %s to be moved", count(v.holds[j.Server], "replica is", "replicas are"))}))
}

// lists is the precondition that nobody has begun or ended a clean-out.
func (v *view) lists(tx *agencyclient.Tx) {
	for _, list := range []string{keys.ToBeCleaned, keys.CleanedServers} {
		tx.Pre[list] = agencyclient.Exactly(v.root.At(list))
	}
}

// mayBegin says whether a job that wants a server for itself can begin, and deals
// with it if not.
func (v *view) mayBegin(j job) bool {
	switch by := v.serverLockedBy(j.Server); {
	case !slices.Contains(v.servers, j.Server):
		v.giveUp(j, j.Server+" is no DB server in Plan")
	case v.failed(j.Server):
		v.giveUp(j, j.Server+" is FAILED")
	case v.waiting: // for the agency lock: not now
	case by != "":
		v.wait(j, "job "+by+" has "+j.Server)
	default:
		return true
	}
	return false
}

// freeBut is free, for a shard that is to leave a server.
func (v *view) freeBut(s *shard, server string) string {
	to := v.free(s)
	if to == server {
		return ""
	}
	return to
}

// proceedCleanOut moves what is on the server, and notes the server as clean when
// nothing is.
func (v *view) proceedCleanOut(j job) {
	left := v.children(j.id)
	if reason := v.overdue(j); reason != "" {
		v.windDown(j, left, reason)
		return
	}
	var born []keys.Job
	stuck := ""
	for _, s := range v.shards {
		if !slices.Contains(s.planned, j.Server) || s.building || v.hasChild(left, s) {
			continue
		}
		move, waits := v.moveOff(j, s)
		if waits != "" {
			stuck = waits
			continue
		}
		born = append(born, move)
	}
	reason := v.exhausted(j, left)
	if idle := len(left) == 0 && len(born) == 0 && stuck != ""; reason == "" && idle &&
		v.watch.age(v.now, "stuck "+j.id, j.was.At("timeStarted")) > v.timing.Wait {
		reason = fmt.Sprintf("nothing could be moved for %v: %s", v.timing.Wait, stuck)
	}
	if reason != "" {
		v.windDown(j, left, reason)
		return
	}
	v.carryOn(j, left, born, stuck)
	if len(left) == 0 && v.holds[j.Server] == 0 && !v.waiting {
		v.cleaned(j)
	}
}

// cleaned notes a server as clean, if Plan is as it was read: nobody has put a
// shard there at the same moment.
func (v *view) cleaned(j job) {
	tx := v.end(j, keys.TargetFinished, "")
	v.lists(&tx)
	tx.Ops[keys.ToBeCleaned] = agencyclient.Erase(j.Server)
	tx.Ops[keys.CleanedServers] = agencyclient.Push(j.Server)
	tx.Pre[keys.PlanVersion] = agencyclient.Exactly(v.root.At(keys.PlanVersion))
	v.decide(v.about(j, Decision{Tx: tx, Step: Finished, Detail: "cleanOutServer: no shard is planned on it"}))
}

// hasChild says whether a child is to do or pending for the shard.
func (v *view) hasChild(children []job, s *shard) bool {
	return slices.ContainsFunc(children, func(c job) bool { return c.Shard == s.name })
}

// moveOff makes the move of one shard off a server, or says what it waits for.
func (v *view) moveOff(j job, s *shard) (keys.Job, string) {
	if n := v.failuresOf(j, s); n > 0 && v.watch.age(v.now, fmt.Sprintf("retry %s/%s/%d", j.id, s.name, n)) <= v.timing.Grace {
		return keys.Job{}, "the last move of " + s.label() + " failed, the next one follows"
	}
	to := v.freeBut(s, j.Server)
	if to == "" {
		return keys.Job{}, "no other GOOD server is free for " + s.label()
	}
	v.holds[to]++
	return keys.Job{
		Type: keys.JobMoveShard, Database: s.db, Collection: s.cid, Shard: s.name,
		FromServer: j.Server, ToServer: to, IsLeader: s.leader() == j.Server,
	}, ""
}

// failuresOf counts the failed moves of a shard for a parent.
func (v *view) failuresOf(j job, s *shard) int {
	n := 0
	for _, c := range v.failedChildren(j.id) {
		if c.Shard == s.name {
			n++
		}
	}
	return n
}

func (v *view) failedChildren(parent string) []job {
	var all []job
	for _, c := range readChildren(v.root.At(keys.TargetFailed), parent) {
		all = append(all, job{Job: c})
	}
	return all
}

// overdue says why a parent must be given up, "" if it may go on.
func (v *view) overdue(j job) string {
	switch {
	case j.Abort:
		return v.aborted(j)
	case !slices.Contains(v.servers, j.Server):
		return j.Server + " is no DB server in Plan any more"
	case v.failed(j.Server):
		return j.Server + " is FAILED"
	case v.watch.age(v.now, "pending "+j.id, j.was.At("timeStarted")) > v.timing.Parents:
		return fmt.Sprintf("it has not ended within %v", v.timing.Parents)
	}
	return ""
}

// exhausted says which shard has failed to move too often.
func (v *view) exhausted(j job, left []job) string {
	tried := map[string]int{}
	for _, c := range v.failedChildren(j.id) {
		if tried[c.Shard]++; tried[c.Shard] >= attempts && !slices.ContainsFunc(left, func(l job) bool { return l.Shard == c.Shard }) {
			if s := v.named[c.Shard]; s != nil && slices.Contains(s.planned, j.Server) {
				return fmt.Sprintf("%s could not be moved in %d attempts: %s", s.label(), attempts, c.Reason)
			}
		}
	}
	return ""
}

// carryOn gives a parent its next children; while somebody waits for the agency
// lock it sets the parent back instead, once nothing of it is pending.
func (v *view) carryOn(j job, left []job, born []keys.Job, stuck string) {
	switch {
	case v.waiting && !pendingAmong(left):
		v.setBack(j, "somebody waits for the agency lock")
	case v.waiting:
	case len(born) > 0:
		tx := agencyclient.Tx{Ops: map[string]any{}, Pre: map[string]any{j.key(): agencyclient.Exactly(j.was)}}
		v.bear(j, &tx, born)
		v.decide(v.about(j, Decision{Tx: tx, Step: Created, Detail: fmt.Sprintf("%s: %s to do", j.Type, count(len(born), "move", "moves"))}))
	case len(left) == 0 && stuck != "" && j.Reason != v.say(stuck):
		stuck = v.say(stuck)
		tx := v.update(j, func(next *keys.Job) { next.Reason = stuck })
		v.decide(v.about(j, Decision{Tx: tx, Step: Waits, Detail: j.Type + ": " + stuck}))
	}
}

func pendingAmong(jobs []job) bool {
	return slices.ContainsFunc(jobs, func(c job) bool { return c.state == keys.TargetPending })
}

// givenUp marks on the record of a parent that winds down why it does.
const givenUp = "given up: "

// aborted is why a job with the mark Abort ends: our own reason, or that somebody
// wanted it.
func (v *view) aborted(j job) string {
	if reason, ours := strings.CutPrefix(j.Reason, givenUp); ours {
		return reason
	}
	return "it was aborted"
}

// windDown gives a parent up: first its children that have not begun, then those
// that are pending, then itself.
func (v *view) windDown(j job, left []job, reason string) {
	if len(left) == 0 {
		v.giveUp(j, reason)
		return
	}
	if !j.Abort {
		v.decide(Decision{Tx: v.update(j, func(next *keys.Job) { next.Abort, next.Reason = true, givenUp+v.say(reason) })})
	}
	for _, c := range left {
		switch {
		case c.Abort:
		case c.state == keys.TargetToDo:
			v.giveUp(c, "its parent ends: "+reason)
		default:
			v.decide(Decision{Tx: v.update(c, func(next *keys.Job) { next.Abort, next.Reason = true, givenUp+"its parent ends: "+v.say(reason) })})
		}
	}
}

// beginResign begins to take all leaderships from a server.
func (v *view) beginResign(j job) {
	if !v.mayBegin(j) {
		return
	}
	tx := v.start(j, keys.ServerLocks+"/"+j.Server, nil)
	tx.Pre[keys.PlanDBServers+"/"+j.Server] = agencyclient.OldEmpty(false)
	v.decide(v.about(j, Decision{Tx: tx, Step: Started, Detail: fmt.Sprintf(
		"resignLeadership: it leads %s", count(v.leads[j.Server], "shard", "shards"))}))
}

// proceedResign hands every shard that the server leads to a follower in sync that
// is not to resign itself. A shard without one keeps its leader.
func (v *view) proceedResign(j job) {
	left := v.children(j.id)
	if reason := v.overdue(j); reason != "" {
		v.windDown(j, left, reason)
		return
	}
	var born []keys.Job
	stay, again := 0, false
	for _, s := range v.shards {
		if s.leader() != j.Server || s.building || v.hasChild(left, s) {
			continue
		}
		to := v.best(v.leads, filter(s.planned[1:], func(id string) bool { return v.good(id) && v.trusted(s, id) && !v.leaving[id] && !v.retires[id] }))
		n := v.failuresOf(j, s)
		switch {
		case to == "" || n >= attempts:
			stay++
		case n > 0 && v.watch.age(v.now, fmt.Sprintf("retry %s/%s/%d", j.id, s.name, n)) <= v.timing.Grace:
			again = true
		default:
			v.leads[to]++
			born = append(born, keys.Job{
				Type: keys.JobMoveShard, Database: s.db, Collection: s.cid, Shard: s.name,
				FromServer: j.Server, ToServer: to, IsLeader: true, RemainsFollower: true, UndoMoves: j.UndoMoves,
			})
		}
	}
	v.carryOn(j, left, born, "")
	if len(left) > 0 || len(born) > 0 || again || v.waiting {
		return
	}
	reason := ""
	if stay > 0 {
		reason = count(stay, "shard has", "shards have") + " no follower that could lead, and stay"
	}
	v.finish(j, reason)
}
