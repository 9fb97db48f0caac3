package founding

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"stasis/agency/keys"
	"stasis/agency/learner"
	"stasis/agency/origin"
	"stasis/internal/failpoint"
)

// Inquiry is what an agent with an empty directory has found out.
type Inquiry struct {
	self      string
	record    learner.Record // after the others were asked
	peers     map[string]string
	bootstrap bool // silence counts as emptiness: the operator says so
	answers   map[string]*Answer
}

// conflict says which agent has lost its directory since another agent wrote its seed down;
// empty if none has.
func (q Inquiry) conflict(seeds map[string]string) string {
	told := func(by string, met map[string]string) string {
		for _, id := range slices.Sorted(maps.Keys(met)) {
			if seed := seeds[id]; seed != "" && met[id] != seed {
				return fmt.Sprintf("%s knows that %s had another directory when a founding began", by, id)
			}
		}
		return ""
	}
	text := told(q.self, q.record.Met)
	for _, id := range slices.Sorted(maps.Keys(q.answers)) {
		if text == "" {
			text = told(id, q.answers[id].Met)
		}
	}
	return text
}

// Decide gives the agency that is to be founded, or says what is missing.
func (q Inquiry) Decide() (f origin.Founded, waiting string) {
	ids := slices.Sorted(maps.Keys(q.peers))
	agencies := map[keys.Origin]string{} // → who belongs to it
	for _, id := range ids {
		r := q.answers[id]
		if r == nil || r.Founded == nil {
			continue
		}
		agencies[r.Founded.Origin] = id
		if r.Founded.Seeds[q.self] == q.record.Seed && originOf(r.Founded.Members, r.Founded.Seeds) == r.Founded.Origin {
			f = *r.Founded
		}
	}
	switch {
	case len(agencies) > 1:
		return origin.Founded{}, "the named agents belong to different agencies: " + q.list(ids) + ". Leave those of one agency, and empty or remove the others"
	case f.Exists():
		return f, ""
	case len(agencies) == 1:
		return origin.Founded{}, q.late(ids)
	}
	return q.first(ids)
}

// first decides while no agent that answers belongs to an agency.
func (q Inquiry) first(ids []string) (f origin.Founded, waiting string) {
	seeds := map[string]string{q.self: q.record.Seed}
	least := q.self
	for _, id := range ids {
		if r := q.answers[id]; id != q.self && r != nil && maps.Equal(r.Peers, q.peers) {
			seeds[id], least = r.Seed, min(least, id)
		}
	}
	f = origin.Founded{Origin: originOf(q.peers, seeds), Members: q.peers, Seeds: seeds}
	conflict := q.conflict(seeds)
	switch {
	case q.bootstrap && len(seeds) > len(ids)/2 && least == q.self:
		return f, ""
	case len(seeds) < len(ids):
		return origin.Founded{}, "a new agency is founded when every named agent has answered that it has nothing: " + q.list(ids) +
			". Start those that are missing, or name others with --peer on all agents; silence is not taken for emptiness, unless an agent is started with --bootstrap"
	case conflict != "" && !failpoint.Off("founding-knows-lost-disks"):
		return origin.Founded{}, "all named agents have nothing, but " + conflict + ", so there may have been an agency. If there was none, or its directories " +
			"are lost for good, start all of them with empty directories, or one with --bootstrap; of a snapshot of it an agency is made with \"stasis agency snapshot restore\""
	}
	return f, ""
}

// late says what an agent without anything waits for, while others belong to an agency.
func (q Inquiry) late(ids []string) string {
	for _, id := range ids {
		r := q.answers[id]
		if r == nil || r.Founded == nil || len(r.Voters) == 0 { // it has got nothing yet itself
			continue
		}
		switch {
		case !slices.Contains(r.Voters, q.self) && r.Founded.Incarnation > 1:
			return fmt.Sprintf("%s belongs to %s, which was recovered with fewer agents: this one asks to become a member", id, r.Founded.Origin)
		case !slices.Contains(r.Voters, q.self):
			return fmt.Sprintf("%s belongs to %s, of which this agent is no member: start it with --join %s to make it one", id, r.Founded.Origin, q.peers[id])
		case r.Leader != "":
			return fmt.Sprintf("this agent has nothing, and gets everything from %s, which leads %s; it votes when it has caught up", r.Leader, r.Founded.Origin)
		}
	}
	return "this agent has nothing, but there is an agency, and it has no leader: " + q.list(ids) +
		". An agent without its directory does not vote, so a majority of the directories is needed. Start the agents that still have theirs. " +
		"If a majority of the directories is lost for good: stop the agent that has one, run \"stasis agency recover --dir\" on it, start it, " +
		"and start the others with empty directories and --join"
}

// Recovered are the addresses at which an agency takes this agent as a member although it was
// not named one: it was recovered, or restored from a snapshot, began with one agent, and the
// others are to come back. The members of any other agency are those that were added and not
// removed.
func (q Inquiry) Recovered() (at []string) {
	for _, id := range slices.Sorted(maps.Keys(q.answers)) {
		if r := q.answers[id]; r.Founded != nil && r.Founded.Incarnation > 1 && r.Leader != "" && !slices.Contains(r.Voters, q.self) {
			at = append(at, q.peers[id])
		}
	}
	return at
}

// list says what each named agent has told.
func (q Inquiry) list(ids []string) string {
	var all []string
	for _, id := range ids {
		r, text := q.answers[id], ""
		switch {
		case id == q.self:
			continue
		case r == nil:
			text = "does not answer"
		case r.Founded != nil:
			text = "belongs to " + r.Founded.String()
		case !maps.Equal(r.Peers, q.peers):
			text = fmt.Sprintf("has nothing, but names other agents: %v", slices.Sorted(maps.Keys(r.Peers)))
		default:
			text = "has nothing"
		}
		all = append(all, fmt.Sprintf("%s (%s) %s", id, q.peers[id], text))
	}
	return strings.Join(all, "; ")
}
