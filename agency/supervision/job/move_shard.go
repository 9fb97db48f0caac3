package job

import (
	"cmp"
	"fmt"
	"slices"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job/facts"
	"stasis/event"
)

// moveShard moves a replica, or the leadership, from one server to another:
//
//	begin     the new server follows; the job has the shard's lock
//	proceed   the new server is in sync: a follower's old server goes, which ends the job
//	          a leader is marked as resigned, and stops when nothing is in flight
//	          it has stopped: the new server leads, in the next term
//	          the new leader serves: the old server goes, which ends the job
//
// There are never two leaders: the term changes only after the old leader has reported that it
// stopped, and the report is a precondition.
type moveShard struct{}

func (m moveShard) begin(p *pass, j facts.Job) {
	s, to := p.facts.Shard(j.Record.Shard), j.Record.ToServer
	if s == nil {
		p.out.fail(j, "no such shard in Plan")
		return
	}
	if reason := m.cannotBegin(p, j, s); reason != "" {
		p.giveUp(j, reason)
		return
	}
	if p.facts.LockAwaited {
		return // what begins now would stay pending, in the way of the agency lock
	}
	switch by := p.facts.ShardLockedBy(s); {
	case by != "":
		p.wait(j, "job "+by+" has the lock of the shard")
	case s.Building:
		p.wait(j, "the collection is still being created")
	case !p.facts.Serving(s):
		p.wait(j, s.Leader()+" does not serve the shard")
	case !p.facts.Good(to):
		p.wait(j, to+" is "+cmp.Or(p.facts.Health(to), "not judged yet"))
	case !s.On(to) && s.CountsInSync(to):
		p.wait(j, to+" counts as in sync with a replica that it has lost")
	case p.placement.moving[to] >= movesAtOnce:
		// Its turn comes. That is no reason to give it up, so it does not wait as the others do.
	default:
		m.start(p, j, s)
	}
}

// cannotBegin says why a move cannot be made any more, "" if it can.
func (moveShard) cannotBegin(p *pass, j facts.Job, s *facts.Shard) string {
	from, to, leads := j.Record.FromServer, j.Record.ToServer, j.Record.IsLeader
	switch {
	case from == to:
		return "fromServer and toServer are one server"
	case !p.facts.Planned(to):
		return to + " is not a DB server in Plan"
	case p.facts.Draining(to):
		return to + " is cleaned out"
	case p.facts.Failed(to):
		return to + " is FAILED"
	case !s.On(from):
		return from + " has no replica of it"
	case leads && s.Leader() != from:
		return from + " does not lead it"
	case !leads && s.Leader() == from:
		return from + " leads it"
	case s.On(to) && !j.Record.Added && !leads:
		return to + " has a replica of it already"
	}
	return ""
}

func (moveShard) start(p *pass, j facts.Job, s *facts.Shard) {
	to := j.Record.ToServer
	adds := !s.On(to)
	// Added survives a set-back: the replica that it names is in Plan already then.
	tx := p.out.start(j, s.LockKey(), func(next *keys.Job) { next.Added = next.Added || adds })
	// A clean-out of the new server that begins at this moment would not see the replica.
	p.facts.RequireStays(&tx, to)
	facts.RequireGood(&tx, to)
	what := "the replica"
	if j.Record.IsLeader {
		what = "the leadership"
	}
	if adds {
		s.RequireReport(&tx)
		s.Change(&tx, append(slices.Clone(s.Servers), to), s.Term)
		p.placement.holds[to]++
	} else {
		s.RequirePlan(&tx)
	}
	p.placement.moving[to]++
	p.out.decideOn(j, Decision{Tx: tx, Step: event.JobStarted, Server: to, Detail: fmt.Sprintf(
		"moveShard: %s of %s is to go from %s to %s", what, s.Label(), j.Record.FromServer, to)})
}

func (m moveShard) proceed(p *pass, j facts.Job) {
	s := p.facts.Shard(j.Record.Shard)
	switch {
	case s == nil:
		// An entry of Plan that cannot be read has no shard either: the precondition tells them apart.
		tx := p.out.end(j, keys.TargetFailed, "the shard is gone")
		tx.Pre[keys.PlanShard(j.Record.Database, j.Record.Collection, j.Record.Shard)] = agencyclient.OldEmpty(true)
		p.out.decideOn(j, Decision{Tx: tx, Step: event.JobFailed, Detail: "moveShard: the shard is gone"})
	case j.Record.IsLeader && s.Leader() == j.Record.ToServer && !s.Resigned:
		// The leader has changed, by this move or by a failover to the same server.
		m.awaitNewLeader(p, j, s)
	default:
		if reason := m.cannotGoOn(p, j, s); reason != "" {
			p.giveUp(j, reason)
			return
		}
		m.advance(p, j, s)
	}
}

// cannotGoOn says why a pending move must be given up, "" if it may go on.
func (moveShard) cannotGoOn(p *pass, j facts.Job, s *facts.Shard) string {
	lead, from, to := s.Leader(), j.Record.FromServer, j.Record.ToServer
	switch {
	case j.Record.Abort:
		return aborted(j)
	case p.facts.Failed(lead):
		// Failover needs the lock of the shard, which this job has.
		return "the leader " + lead + " is FAILED"
	case p.facts.Failed(to):
		return to + " is FAILED"
	case !s.On(to):
		return to + " was taken out of Plan"
	case !s.On(from):
		return from + " was taken out of Plan"
	case j.Record.IsLeader != (lead == from):
		return "the shard has another leader now"
	case s.Resigned && !p.facts.Trusted(s, to):
		// The leader leads on: it has every write, and no other server is sure to.
		return to + " has fallen out of sync"
	case s.Resigned && !s.Stopped() && !p.facts.Trusted(s, lead):
		// It would never report that it stopped: it does not lead since its start.
		return lead + " restarted before it stopped leading"
	case s.Resigned && p.age("resigned "+j.ID, s.PlanNode) > p.timeouts.Handover:
		return fmt.Sprintf("%s has not stopped leading within %v", lead, p.timeouts.Handover)
	case !s.Resigned && p.agePending(j) > p.timeouts.Copy:
		return fmt.Sprintf("%s has not come into sync within %v", to, p.timeouts.Copy)
	}
	return ""
}

// advance goes on with a move as soon as the new replica is in sync.
func (m moveShard) advance(p *pass, j facts.Job, s *facts.Shard) {
	to := j.Record.ToServer
	// A report of an earlier term may name servers that are in sync no longer.
	insync := p.facts.Trusted(s, to) && (s.Serves() || s.Stopped())
	switch {
	case s.Resigned && s.Stopped() && insync:
		m.handOver(p, j, s)
	case s.Resigned:
		// The leader is about to stop. This takes a moment, so the agency lock waits for it.
	case !insync && p.facts.LockAwaited:
		p.out.setBack(j, to+" is not in sync yet, and an operation waits for the agency lock")
	case !insync:
		// The replica is being copied.
	case j.Record.IsLeader:
		m.resign(p, j, s)
	default:
		m.removeOld(p, j, s)
	}
}

// require adds what a step of a move leans on: the job is as it was read, the new replica is in
// sync, and its server has not been started since.
func (moveShard) require(p *pass, j facts.Job, s *facts.Shard, tx *agencyclient.Tx) {
	tx.Pre[j.Key()] = agencyclient.Exactly(j.Node)
	p.facts.RequireNotRestarted(tx, j.Record.ToServer)
	s.RequireReport(tx)
}

// resign asks the leader to stop, which it does when nothing is in flight.
func (m moveShard) resign(p *pass, j facts.Job, s *facts.Shard) {
	tx := agencyclient.NewTx()
	m.require(p, j, s, &tx)
	s.Change(&tx, append([]string{keys.Resigned + s.Leader()}, s.Followers()...), s.Term)
	p.out.decideOn(j, Decision{Tx: tx, Step: event.ShardLeaderResigns, Server: s.Leader(), Detail: fmt.Sprintf(
		"%s is to be led by %s, which is in sync", s.Label(), j.Record.ToServer)})
}

// handOver names the new leader of a shard whose old leader has stopped.
func (m moveShard) handOver(p *pass, j facts.Job, s *facts.Shard) {
	to := j.Record.ToServer
	tx := agencyclient.NewTx()
	m.require(p, j, s, &tx)
	// The old leader follows even if its replica is to go: until the new leader serves, that replica is
	// the other one that surely has every write.
	s.Change(&tx, s.LedBy(to), s.Term+1)
	p.out.decideOn(j, Decision{Tx: tx, Step: event.ShardLeaderChanged, Server: to, Detail: fmt.Sprintf(
		"%s now leads %s in term %d because %s has resigned for it; it is in sync", to, s.Label(), s.Term+1, s.Leader())})
}

// awaitNewLeader ends the move of a leader once the new one serves. From here on the move is
// not undone: the old leader has no more right to lead than any other follower.
func (m moveShard) awaitNewLeader(p *pass, j facts.Job, s *facts.Shard) {
	to := j.Record.ToServer
	switch {
	case p.facts.Failed(to):
		p.out.fail(j, to+" is FAILED since it was named leader")
	case !p.facts.Serving(s):
		if p.age("handover "+j.ID, s.PlanNode, s.TermNode) > p.timeouts.Handover {
			p.out.fail(j, fmt.Sprintf("%s has not begun to serve term %d within %v", to, s.Term, p.timeouts.Handover))
		}
	case j.Record.RemainsFollower || !s.On(j.Record.FromServer):
		m.finish(p, j, s)
	default:
		m.removeOld(p, j, s)
	}
}

// finish ends the move of a leadership. If the old leader only restarts, it is noted that it gets
// the leadership back after its next start.
func (moveShard) finish(p *pass, j facts.Job, s *facts.Shard) {
	from, to := j.Record.FromServer, j.Record.ToServer
	reason := to + " leads " + s.Label()
	tx := p.out.end(j, keys.TargetFinished, reason)
	if reboots, ok := p.facts.RebootID(from); ok && j.Record.UndoMoves && s.On(from) {
		tx.Ops[keys.ReturnLeadership+"/"+s.Name] = keys.Return{Server: from, RebootID: reboots, Job: j.Record.ParentJob}
		reason += " until " + from + " has restarted"
	}
	p.out.decideOn(j, Decision{Tx: tx, Step: event.JobFinished, Server: to, Detail: j.Record.Type + ": " + reason})
}

// removeOld takes the old replica out of Plan, which ends the move.
func (m moveShard) removeOld(p *pass, j facts.Job, s *facts.Shard) {
	if !j.Record.IsLeader && j.Record.RemainsFollower {
		p.out.finish(j, "")
		return
	}
	tx := p.out.end(j, keys.TargetFinished, "")
	m.require(p, j, s, &tx)
	s.Change(&tx, s.Without(j.Record.FromServer), s.Term)
	p.out.decideOn(j, Decision{Tx: tx, Step: event.JobFinished, Server: j.Record.ToServer, Detail: fmt.Sprintf(
		"moveShard: %s has taken the place of %s in %s", j.Record.ToServer, j.Record.FromServer, s.Label())})
}

// undo lets a leader that was to resign stay, and removes the replica that the move has added,
// unless it is needed now.
func (m moveShard) undo(p *pass, j facts.Job, tx *agencyclient.Tx) (undone []string) {
	s, to := p.facts.Shard(j.Record.Shard), j.Record.ToServer
	if s == nil {
		return nil
	}
	// A resignation belongs to this job only while it is pending: set back, it has given the lock away.
	servers := s.Marked()
	if s.Resigned && j.IsPending() && !p.facts.Failed(s.Leader()) {
		servers[0] = s.Leader()
		undone = append(undone, s.Leader()+" leads on")
	}
	if j.Record.Added && slices.Contains(servers[1:], to) && len(servers) > s.Factor && !m.needed(p, s, to) {
		servers = slices.DeleteFunc(servers, func(id string) bool { return id == to })
		p.facts.RequireNotRestarted(tx, s.Leader())
		undone = append(undone, "the replica on "+to+" goes")
	}
	// Otherwise Plan is not touched, and the job can end also while Plan is frozen.
	if len(undone) > 0 {
		s.Change(tx, servers, s.Term)
		s.RequireReport(tx)
	}
	return undone
}

// needed says that a replica may be the only one that has every acknowledged write, or the best
// there is: it is in the in-sync set, and the leader has failed or has been started since. Then it
// stays, and is removed as one too many when the leader serves again.
func (moveShard) needed(p *pass, s *facts.Shard, id string) bool {
	return s.CountsInSync(id) && (p.facts.Failed(s.Leader()) || !p.facts.Trusted(s, s.Leader()))
}
