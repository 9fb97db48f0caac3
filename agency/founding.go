package agency

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"
	"github.com/hashicorp/raft"

	"stasis/agency/answer"
	"stasis/agency/keys"
	"stasis/agency/note"
	"stasis/internal/failpoint"
)

// An agency is founded once, by agents that all have nothing. An agent with an empty
// directory cannot tell whether it is new or was wiped; but whoever was asked to take part
// in a founding, and still has its directory, can:
//
//   - A directory that is claimed among peers draws a seed.
//   - Who wants to found asks every named peer, and tells its own seed. Who is asked
//     writes the asker's seed down, durably, before it answers with its own seed and with
//     all that it has written down. Under an id it keeps the first seed it was told.
//   - An agent founds when every named peer has answered, twice in a row and with the same
//     seeds, that it belongs nowhere and names the same peers, and when no seed that
//     any of them has written down is another one.
//   - The agency's UUID is the hash of all seeds. So all find the same one, and an agent
//     whose own seed is among those of an agency that another one has founded belongs
//     to it, and has lost nothing since.
//
// Why there is no second agency beside one that has acknowledged anything. Let x be the
// first that founded A. A acknowledges nothing before it has a leader, whom a majority of
// founders has elected. A second agency B needs that too, so one agent w has founded A,
// lost its directory, and come back as w', whose seed B has. Let f be the first that founded B. If
// x has its directory, it has told f that it belongs to A, because f's second round began
// when w' had answered, after x founded. If x has lost it too, it has another seed in B;
// and every named agent y had written x's old seed down before x founded. So y, unless it
// has lost its directory as well, has told f of it in the second round. Hence f founds B
// only when all directories that knew of A are lost: then there is nothing left of A.
type trial struct {
	Seed string            `json:"seed"`
	Met  map[string]string `json:"met"` // id → seed of those that have asked
}

// foundingCall is what an agent tells when it asks.
type foundingCall struct {
	ID   string `json:"id"`
	Seed string `json:"seed"`
}

// foundingAnswer is what it is told.
type foundingAnswer struct {
	ID    string            `json:"id"`
	Seed  string            `json:"seed"`
	Peers map[string]string `json:"peers"`
	Met   map[string]string `json:"met,omitempty"`
	// Founded is there if the agent belongs to an agency; then Voters are its members
	// as this agent knows them, and Leader is who leads, "" if that is not known.
	Founded *founded `json:"founded,omitempty"`
	Voters  []string `json:"voters,omitempty"`
	Leader  string   `json:"leader,omitempty"`
}

// founding answers an agent with an empty directory.
func (s *api) founding(w http.ResponseWriter, r *http.Request) error {
	raw, err := s.body(r)
	if err != nil {
		return err
	}
	var call foundingCall
	if err := json.Unmarshal(raw, &call); err != nil || call.ID == "" {
		return badRequest("who asks says {\"id\":…,\"seed\":…}")
	}
	a := s.agent
	reply := foundingAnswer{ID: a.id, Peers: a.peers}
	if mine := a.origins.part(); mine.Exists() {
		reply.Founded = &mine
		reply.Leader, _ = a.leader()
		for _, m := range a.members().Servers {
			reply.Voters = append(reply.Voters, string(m.ID))
		}
	} else {
		known, err := a.probation.met(a.disk.Notes, call)
		if err != nil {
			return fmt.Errorf("write down who asked: %w", err)
		}
		reply.Seed, reply.Met = known.Seed, known.Met
	}
	answer.Write(w, http.StatusOK, reply)
	return nil
}

// met writes down who asks, and gives all that is written down.
func (p *probation) met(n note.Store, call foundingCall) (trial, error) {
	p.trials <- struct{}{}
	defer func() { <-p.trials }()
	if p.trial.Met[call.ID] != "" {
		return p.trial, nil // what was written first stays
	}
	next := trial{Seed: p.trial.Seed, Met: map[string]string{call.ID: call.Seed}}
	maps.Copy(next.Met, p.trial.Met)
	if err := note.Write(n, note.Learner, next); err != nil {
		return trial{}, err
	}
	p.trial = next
	return next, nil
}

// known is what is written down. It never changes.
func (p *probation) known() trial {
	p.trials <- struct{}{}
	defer func() { <-p.trials }()
	return p.trial
}

// newSeed draws a directory's seed.
func newSeed() string { return uuid.NewString() }

// originOf is the agency that members with these seeds found.
func originOf(members, seeds map[string]string) keys.Origin {
	var all strings.Builder
	for _, id := range slices.Sorted(maps.Keys(members)) {
		fmt.Fprintf(&all, "%q %q %q\n", id, members[id], seeds[id])
	}
	return keys.Origin{Agency: uuid.NewHash(sha256.New(), uuid.NameSpaceURL, []byte(all.String()), 8).String(), Incarnation: 1}
}

// inquiry is what an agent with an empty directory has found out.
type inquiry struct {
	self      string
	trial     trial // after the others were asked
	peers     map[string]string
	bootstrap bool // silence counts as emptiness: the operator says so
	answers   map[string]*foundingAnswer
}

// inquire asks all named peers at once.
func (a *Agent) inquire(ask *http.Client) inquiry {
	q := inquiry{self: a.id, peers: a.peers, bootstrap: a.bootstrap, answers: map[string]*foundingAnswer{}}
	body := fmt.Sprintf(`{"id":%q,"seed":%q}`, a.id, a.probation.known().Seed)
	var mu sync.Mutex
	var asking sync.WaitGroup
	for id, address := range a.peers {
		if id == a.id {
			continue
		}
		asking.Go(func() {
			var reply foundingAnswer
			if err := failpoint.Hit(a.running, "agency/founding/ask", a.id+" "+id); err != nil {
				return
			}
			if err := a.fetch(ask, http.MethodPost, address, "founding", body, &reply); err != nil || reply.ID != id {
				return // silent, or another agent is there
			}
			mu.Lock()
			defer mu.Unlock()
			q.answers[id] = &reply
		})
	}
	asking.Wait()
	q.trial = a.probation.known()
	return q
}

// conflict says which agent has lost its directory since somebody wrote its seed down.
func (q inquiry) conflict(seeds map[string]string) string {
	told := func(by string, met map[string]string) string {
		for _, id := range slices.Sorted(maps.Keys(met)) {
			if seed := seeds[id]; seed != "" && met[id] != seed {
				return fmt.Sprintf("%s knows that %s had another directory when a founding began", by, id)
			}
		}
		return ""
	}
	text := told(q.self, q.trial.Met)
	for _, id := range slices.Sorted(maps.Keys(q.answers)) {
		if text == "" {
			text = told(id, q.answers[id].Met)
		}
	}
	return text
}

// decide gives the agency that is to be founded, or says what is missing.
func (q inquiry) decide() (f founded, waiting string) {
	ids := slices.Sorted(maps.Keys(q.peers))
	agencies := map[keys.Origin]string{} // → who belongs to it
	for _, id := range ids {
		r := q.answers[id]
		if r == nil || r.Founded == nil {
			continue
		}
		agencies[r.Founded.Origin] = id
		if r.Founded.Seeds[q.self] == q.trial.Seed && originOf(r.Founded.Members, r.Founded.Seeds) == r.Founded.Origin {
			f = *r.Founded
		}
	}
	switch {
	case len(agencies) > 1:
		return founded{}, "the named agents belong to different agencies: " + q.list(ids) + ". Leave those of one agency, and empty or remove the others"
	case f.Exists():
		return f, ""
	case len(agencies) == 1:
		return founded{}, q.late(ids)
	}
	return q.first(ids)
}

// first decides while all that answer belong nowhere.
func (q inquiry) first(ids []string) (f founded, waiting string) {
	seeds := map[string]string{q.self: q.trial.Seed}
	least := q.self
	for _, id := range ids {
		if r := q.answers[id]; id != q.self && r != nil && maps.Equal(r.Peers, q.peers) {
			seeds[id], least = r.Seed, min(least, id)
		}
	}
	f = founded{Origin: originOf(q.peers, seeds), Members: q.peers, Seeds: seeds}
	conflict := q.conflict(seeds)
	switch {
	case q.bootstrap && len(seeds) > len(ids)/2 && least == q.self:
		return f, ""
	case len(seeds) < len(ids):
		return founded{}, "a new agency is founded when every named agent has answered that it has nothing: " + q.list(ids) +
			". Start those that are missing, or name others with --peer on all agents; silence is not taken for emptiness, unless an agent is started with --bootstrap"
	case conflict != "" && !failpoint.Off("founding-knows-lost-disks"):
		return founded{}, "all named agents have nothing, but " + conflict + ", so there may have been an agency. If there was none, or its directories " +
			"are lost for good, start all of them with empty directories, or one with --bootstrap; of a snapshot of it an agency is made with \"stasis agency snapshot restore\""
	}
	return f, ""
}

// late says what an agent waits for that has nothing, while others belong to an agency.
func (q inquiry) late(ids []string) string {
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

// recovered is where an agency that was recovered, or restored from a snapshot, takes
// members: it began with one agent, and the others are to come back. Which members an
// agency has otherwise was decided by who added and removed them.
func (q inquiry) recovered() (at []string) {
	for _, id := range slices.Sorted(maps.Keys(q.answers)) {
		if r := q.answers[id]; r.Founded != nil && r.Founded.Incarnation > 1 && r.Leader != "" && !slices.Contains(r.Voters, q.self) {
			at = append(at, q.peers[id])
		}
	}
	return at
}

// list says what each named agent has told.
func (q inquiry) list(ids []string) string {
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

// found founds an agency that was decided on. The note comes first: a start that finds
// it and no log writes the first entry.
func (a *Agent) found(f founded) error {
	switch err := a.origins.become(f); {
	case errors.Is(err, errStranger): // the leader of another agency was faster
		a.standing.say(err.Error())
		return nil
	case err != nil:
		return fmt.Errorf("found the agency: %w", err)
	}
	// A leader may have been faster; it has the same first entry.
	if err := a.raft.BootstrapCluster(membersOf(f.Members)).Error(); err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
		return fmt.Errorf("bootstrap Raft: %w", err)
	}
	a.logger.Info("founded", "origin", f.Origin.String(), "agents", len(f.Members))
	return a.endProbation()
}
