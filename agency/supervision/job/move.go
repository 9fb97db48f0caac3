package job

import (
	"fmt"
	"slices"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
)

// movesAtOnce bounds how many moves towards one server are pending, since each
// makes it copy a shard.
const movesAtOnce = 4

// beginMove puts the new replica into Plan and locks the shard.
func (v *view) beginMove(j job) {
	s := v.named[j.Shard]
	if s == nil {
		v.fail(j, "no such shard in Plan")
		return
	}
	if reason := v.senseless(j, s); reason != "" {
		v.giveUp(j, reason)
		return
	}
	if v.waiting {
		return // somebody waits for the agency lock: not now
	}
	switch by := v.lockedBy(s); {
	case by != "":
		v.wait(j, "job "+by+" has the shard")
	case s.building:
		v.wait(j, "the collection is still being created")
	case !v.serving(s):
		v.wait(j, s.leader()+" does not serve the shard")
	case !v.good(j.ToServer):
		v.wait(j, j.ToServer+" is "+v.health[j.ToServer])
	case !slices.Contains(s.planned, j.ToServer) && slices.Contains(s.synced, j.ToServer):
		v.wait(j, j.ToServer+" counts as in sync with a replica that it has lost")
	case v.moving[j.ToServer] >= movesAtOnce:
		// its turn comes
	default:
		v.startMove(j, s)
	}
}

// senseless says why a move cannot be made any more, "" if it can.
func (v *view) senseless(j job, s *shard) string {
	holds := slices.Contains(s.planned, j.ToServer)
	switch {
	case j.FromServer == j.ToServer:
		return "from and to are one server"
	case !slices.Contains(v.servers, j.ToServer):
		return j.ToServer + " is no DB server in Plan"
	case v.leaving[j.ToServer]:
		return j.ToServer + " is cleaned out"
	case v.failed(j.ToServer):
		return j.ToServer + " is FAILED"
	case !slices.Contains(s.planned, j.FromServer):
		return j.FromServer + " has no replica of it"
	case j.IsLeader && s.leader() != j.FromServer:
		return j.FromServer + " does not lead it"
	case !j.IsLeader && s.leader() == j.FromServer:
		return j.FromServer + " leads it"
	case holds && !j.Added && !j.IsLeader:
		return j.ToServer + " has a replica of it already"
	}
	return ""
}

func (v *view) startMove(j job, s *shard) {
	adds := !slices.Contains(s.planned, j.ToServer)
	tx := v.start(j, s.lockKey(), func(next *keys.Job) { next.Added = next.Added || adds })
	v.stays(&tx, j.ToServer)
	isGood(&tx, j.ToServer)
	what := "the replica"
	if j.IsLeader {
		what = "the lead"
	}
	if adds {
		s.reported(&tx)
		s.replan(&tx, append(slices.Clone(s.planned), j.ToServer), s.term)
		v.holds[j.ToServer]++
	} else {
		tx.Pre[s.planKey()], tx.Pre[s.termKey()] = agencyclient.Exactly(s.planWas), agencyclient.Exactly(s.termWas)
	}
	v.moving[j.ToServer]++
	v.decide(v.about(j, Decision{Tx: tx, Step: Started, Server: j.ToServer, Detail: fmt.Sprintf(
		"moveShard: %s of %s is to go from %s to %s", what, s.label(), j.FromServer, j.ToServer)}))
}

// proceedMove does the next step of a move, as Plan and Current show it.
func (v *view) proceedMove(j job) {
	s := v.named[j.Shard]
	switch {
	case s == nil:
		tx := v.end(j, keys.TargetFailed, "the shard is gone")
		tx.Pre[keys.PlanShard(j.Database, j.Collection, j.Shard)] = agencyclient.OldEmpty(true)
		v.decide(v.about(j, Decision{Tx: tx, Step: Failed, Detail: "moveShard: the shard is gone"}))
	case j.IsLeader && s.leader() == j.ToServer && !s.resigned:
		v.settleLeader(j, s)
	default:
		if reason := v.hopeless(j, s); reason != "" {
			v.giveUp(j, reason)
			return
		}
		v.advance(j, s)
	}
}

// hopeless says why a pending move must be given up, "" if it may go on.
func (v *view) hopeless(j job, s *shard) string {
	switch {
	case j.Abort:
		return v.aborted(j)
	case v.failed(s.leader()):
		return "the leader " + s.leader() + " is FAILED"
	case v.failed(j.ToServer):
		return j.ToServer + " is FAILED"
	case !slices.Contains(s.planned, j.ToServer):
		return j.ToServer + " was taken out of Plan"
	case !slices.Contains(s.planned, j.FromServer):
		return j.FromServer + " was taken out of Plan"
	case j.IsLeader != (s.leader() == j.FromServer):
		return "the shard has another leader now"
	case s.resigned && !v.trusted(s, j.ToServer):
		return j.ToServer + " has fallen out of sync"
	case s.resigned && !s.stopped() && !v.trusted(s, s.leader()):
		return s.leader() + " was started anew before it had stopped leading"
	case s.resigned && v.watch.age(v.now, "resigned "+j.id, s.planWas) > v.timing.Resign:
		return fmt.Sprintf("%s has not stopped leading within %v", s.leader(), v.timing.Resign)
	case !s.resigned && v.watch.age(v.now, "pending "+j.id, j.was.At("timeStarted")) > v.timing.Copy:
		return fmt.Sprintf("%s has not come into sync within %v", j.ToServer, v.timing.Copy)
	}
	return ""
}

// advance goes on with a move as soon as the new replica is in sync.
func (v *view) advance(j job, s *shard) {
	insync := v.trusted(s, j.ToServer) && (s.serves() || s.stopped())
	switch {
	case s.resigned && s.stopped() && insync:
		v.handOver(j, s)
	case s.resigned:
		// the leader is about to stop
	case !insync && v.waiting:
		v.setBack(j, j.ToServer+" is not in sync yet, and somebody waits for the agency lock")
	case !insync:
		// it is being copied
	case j.IsLeader:
		v.resign(j, s)
	default:
		v.replace(j, s)
	}
}

// based adds what a step of a move leans on: the new replica is in sync, and has
// not been started anew.
func (v *view) based(j job, s *shard, tx *agencyclient.Tx) {
	tx.Pre[j.key()] = agencyclient.Exactly(j.was)
	v.notRestarted(tx, j.ToServer)
	s.reported(tx)
}

// resign asks the leader to stop, which it does when nothing is in flight.
func (v *view) resign(j job, s *shard) {
	tx := empty()
	v.based(j, s, &tx)
	s.replan(&tx, append([]string{keys.Resigned + s.leader()}, s.planned[1:]...), s.term)
	v.decide(v.about(j, Decision{Tx: tx, Step: LeaderResigns, Server: s.leader(), Detail: fmt.Sprintf(
		"%s is to be led by %s, which is in sync", s.label(), j.ToServer)}))
}

// handOver names the new leader of a shard that nobody leads at this moment.
func (v *view) handOver(j job, s *shard) {
	tx := empty()
	v.based(j, s, &tx)
	servers := append(append([]string{j.ToServer}, without(s.planned[1:], j.ToServer)...), s.leader())
	s.replan(&tx, servers, s.term+1)
	v.decide(v.about(j, Decision{Tx: tx, Step: LeaderChanged, Server: j.ToServer, Detail: fmt.Sprintf(
		"%s now leads %s in term %d because %s has resigned for it; it is in sync", j.ToServer, s.label(), s.term+1, s.leader())}))
}

// settleLeader ends the move of a leader once the new one serves.
func (v *view) settleLeader(j job, s *shard) {
	switch {
	case v.failed(j.ToServer):
		v.fail(j, j.ToServer+" is FAILED since it was named leader")
	case !v.serving(s):
		if v.watch.age(v.now, "settle "+j.id, s.planWas, s.termWas) > v.timing.Resign {
			v.fail(j, fmt.Sprintf("%s has not begun to serve term %d within %v", j.ToServer, s.term, v.timing.Resign))
		}
	case j.RemainsFollower || !slices.Contains(s.planned, j.FromServer):
		v.settled(j, s)
	default:
		v.replace(j, s)
	}
}

// settled ends the move of a lead. If it was meant to last only until the old
// leader has been started anew, that is noted.
func (v *view) settled(j job, s *shard) {
	reason := j.ToServer + " leads " + s.label()
	tx := v.end(j, keys.TargetFinished, reason)
	if reboots, ok := v.root.At(keys.ServerKnown(j.FromServer) + "/rebootId").Int(); ok && j.UndoMoves && slices.Contains(s.planned, j.FromServer) {
		tx.Ops[keys.ReturnLeadership+"/"+s.name] = keys.Return{Server: j.FromServer, RebootID: uint64(reboots), Job: j.ParentJob}
		reason += " until " + j.FromServer + " has been started anew"
	}
	v.decide(v.about(j, Decision{Tx: tx, Step: Finished, Server: j.ToServer, Detail: j.Type + ": " + reason}))
}

// replace takes the old replica out of Plan, which ends the move.
func (v *view) replace(j job, s *shard) {
	if !j.IsLeader && j.RemainsFollower {
		v.finish(j, "")
		return
	}
	tx := v.end(j, keys.TargetFinished, "")
	v.based(j, s, &tx)
	s.replan(&tx, without(s.planned, j.FromServer), s.term)
	v.decide(v.about(j, Decision{Tx: tx, Step: Finished, Server: j.ToServer, Detail: fmt.Sprintf(
		"moveShard: %s has taken the place of %s in %s", j.ToServer, j.FromServer, s.label())}))
}

// giveUp ends a job that has not reached its aim, and takes back what it has
// changed in Plan: a leader that was to resign stays, a replica that was added
// goes, unless it is needed now.
func (v *view) giveUp(j job, reason string) {
	tx := v.end(j, keys.TargetFailed, reason)
	detail := j.Type + ": " + reason
	s := v.named[j.Shard]
	switch {
	case j.Type == keys.JobCleanOutServer && slices.Contains(textsOf(v.root.At(keys.ToBeCleaned)), j.Server):
		tx.Ops[keys.ToBeCleaned] = agencyclient.Erase(j.Server)
	case j.Type != keys.JobMoveShard || s == nil:
	default:
		servers := s.marked()
		if s.resigned && j.state == keys.TargetPending && !v.failed(s.leader()) {
			servers[0] = s.leader()
			detail += "; " + s.leader() + " leads on"
		}
		if j.Added && slices.Contains(servers[1:], j.ToServer) && len(servers) > s.factor && !v.needed(s, j.ToServer) {
			servers = without(servers, j.ToServer)
			v.notRestarted(&tx, s.leader())
			detail += "; the replica on " + j.ToServer + " goes"
		}
		if !slices.Equal(servers, s.marked()) {
			s.replan(&tx, servers, s.term)
			s.reported(&tx)
		}
	}
	v.decide(v.about(j, Decision{Tx: tx, Step: Failed, Detail: detail}))
}

// needed says that the replica may be the one that has every acknowledged write,
// or the best there is: it is in the in-sync set, and the leader has failed or has
// been started anew.
func (v *view) needed(s *shard, id string) bool {
	return slices.Contains(s.synced, id) && (v.failed(s.leader()) || !v.trusted(s, s.leader()))
}
