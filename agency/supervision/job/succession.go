package job

import (
	"fmt"
	"slices"
	"strings"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job/facts"
	"stasis/fsm"
)

// succession is who is to lead a shard, why, and what that is based on. to is "" if no server
// can lead now.
type succession struct {
	to, why string
	tx      agencyclient.Tx // preconditions only
}

// successor chooses who leads a shard after its leader, or says what the shard waits for. It
// goes from the candidates that are sure to have every acknowledged write to those that are not:
//
//   - A trusted follower that is GOOD leads at once.
//   - A trusted server that is FAILED may only stand still, and may come back with writes that no
//     other has. It is waited for until all trusted servers have been FAILED for UncleanLeader.
//   - Then a member of the in-sync set leads that was started since. It may lack the end of its
//     log, and is the best that is left: before it serves, it compares positions with all others
//     that it reaches. If the in-sync set has no trusted server, it leads at once.
//   - A server out of sync never leads while there is a report.
//   - If no leader has reported since the shard was planned, what the servers have is equal. If a
//     restore has left a report that trusts no server, it is unknown. In both cases any follower
//     may be named: each leads only when it has heard all others, and if it does not, stalled
//     gives the next one its turn.
func (p *pass) successor(s *facts.Shard) (succession, string) {
	next := succession{tx: agencyclient.NewTx()}
	s.RequireReport(&next.tx)
	if len(s.InSync) == 0 {
		able := filter(s.Followers(), p.facts.Good)
		return p.choose(next, able[:min(1, len(able))], "no leader has served it since it was planned"), "no follower in Plan is GOOD"
	}
	members := filter(s.Followers(), s.CountsInSync)
	trusted := filter(members, func(id string) bool { return p.facts.Trusted(s, id) })
	if able := filter(trusted, p.facts.Good); len(able) > 0 {
		next = p.choose(next, able, "it is in sync")
		p.facts.RequireNotRestarted(&next.tx, next.to)
		return next, ""
	}
	if s.Report.Unsure() {
		return p.choose(next, filter(members, p.facts.Good), "the backup that was restored does not say who was in sync: it leads when it has heard all others"),
			"no follower in Plan is GOOD"
	}
	if p.facts.Trusted(s, s.Leader()) {
		trusted = append(trusted, s.Leader())
	}
	if waits := p.awaitTrusted(s, trusted, &next.tx); waits != "" {
		return succession{}, waits
	}
	return p.choose(next, filter(members, p.facts.Good), "it was in sync before it restarted, and every server that is in sync has FAILED"),
		"no member of its in-sync set is GOOD: " + strings.Join(s.InSync, ", ")
}

// awaitTrusted says which of the trusted servers is waited for, "" if the wait is over. Then
// their failure is a precondition of what follows.
//
// The period is that of exactly these failures: it begins again when the report changes or when
// one of the servers comes back.
func (p *pass) awaitTrusted(s *facts.Shard, trusted []string, tx *agencyclient.Tx) string {
	if alive := filter(trusted, func(id string) bool { return !p.facts.Failed(id) }); len(alive) > 0 {
		return "only " + strings.Join(alive, ", ") + " has every write, and is not GOOD"
	}
	failures := []*fsm.Node{s.ReportNode}
	for _, id := range trusted {
		p.facts.RequireFailed(tx, id)
		failures = append(failures, p.facts.Root.At(keys.ServerHealth(id)+"/Status"))
	}
	if p.age("unclean "+s.Name, failures...) > p.timeouts.UncleanLeader || len(trusted) == 0 {
		return ""
	}
	return fmt.Sprintf("only %s has every write, and is FAILED: it is waited for up to %v", strings.Join(trusted, ", "), p.timeouts.UncleanLeader)
}

// choose takes the candidate that leads the fewest shards, if there is one.
func (p *pass) choose(next succession, candidates []string, why string) succession {
	next.to = p.placement.fewestLeads(candidates)
	if next.to == "" {
		return succession{}
	}
	facts.RequireGood(&next.tx, next.to)
	next.why = why
	if len(candidates) > 1 {
		next.why += fmt.Sprintf(", and of %s it leads the fewest shards", strings.Join(slices.Sorted(slices.Values(candidates)), ", "))
	}
	return next
}

// stalled says that the planned leader has not FAILED and may be replaced nevertheless: for longer
// than the grace period it has not begun to serve, and a follower can.
//
// It has not begun if it has not reported in its term, or was started since it did. Then it has
// acknowledged nothing in this term, and its report would come too late: the report requires
// the term that is about to be raised. A report that a restore has written is none of a
// leader's, so after a restore the followers have their turns (the leader's replica may be one
// that was only being copied at the cut).
func (p *pass) stalled(s *facts.Shard) bool {
	lead := s.Leader()
	begun := s.Report != nil && int64(s.Report.Term) >= s.Term && p.facts.Trusted(s, lead)
	if s.Building || s.Resigned || begun {
		return false
	}
	if p.age("stalled "+s.Name, s.PlanNode, s.TermNode, s.ReportNode, p.facts.RebootNode(lead)) <= p.timeouts.Grace {
		return false
	}
	unknown := s.Report == nil || s.Report.Unsure()
	return slices.ContainsFunc(s.Followers(), func(id string) bool {
		return p.facts.Good(id) && (unknown || p.facts.Trusted(s, id))
	})
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
