package agency

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"stasis/agency/fence"
	"stasis/agency/note"
	"stasis/internal/failpoint"
)

// probation keeps an agent that starts with nothing from voting as somebody who
// has forgotten what it promised. It may be new, or its directory was wiped: then
// it once acknowledged entries and gave votes that others rely on, and a majority
// with it could elect a leader that lacks them.
//
// On probation an agent takes what a leader sends, but gives no vote and asks for
// none. It ends when the agency is founded (founding.go), or when this one has
// everything that a leader had committed some time after this agent began, and has
// given that leader its vote for the term.
type probation struct {
	begun  time.Time
	settle time.Duration // what the leader tells earlier does not count
	trials chan struct{} // one token: who has it may change trial
	trial  trial

	mu     sync.Mutex
	on     bool
	term   uint64 // of the leader that goal is from
	goal   uint64 // what it had committed
	leader string
}

// begin puts the agent on probation, and draws the directory's seed.
func (p *probation) begin(n note.Store) error {
	on, err := p.load(n)
	if err != nil || on && p.trial.Seed != "" {
		return err
	}
	p.trial, p.on = trial{Seed: newSeed()}, true
	return note.Write(n, note.Learner, p.trial)
}

// load says whether the agent was on probation when it stopped.
func (p *probation) load(n note.Store) (on bool, err error) {
	raw, err := n.ReadNote(note.Learner)
	if err != nil || raw == nil {
		return false, err
	}
	if err := json.Unmarshal(raw, &p.trial); err != nil {
		p.trial = trial{} // from before there were seeds
	}
	p.on = true
	return true, nil
}

var errOnProbation = errors.New("this agent started with nothing and does not vote yet")

func (p *probation) active() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.on
}

// note takes the goal from a leader's call.
func (p *probation) note(r *raft.AppendEntriesRequest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.on && r.LeaderCommitIndex > 0 && r.Term > p.term && time.Since(p.begun) >= p.settle {
		p.term, p.goal, p.leader = r.Term, r.LeaderCommitIndex, string(r.ID)
	}
}

// sift is Raft's calls from other agents without those for a vote.
func (p *probation) sift(from <-chan raft.RPC, done <-chan struct{}) <-chan raft.RPC {
	return fence.Filter(from, done, p.refuse)
}

func (p *probation) refuse(rpc raft.RPC) bool {
	if !p.active() {
		return false
	}
	if _, appends := rpc.Command.(*raft.AppendEntriesRequest); failpoint.Off("probation-gives-no-vote") && !appends {
		return false
	}
	header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax}
	switch r := rpc.Command.(type) {
	case *raft.RequestVoteRequest:
		rpc.Respond(&raft.RequestVoteResponse{RPCHeader: header}, nil)
		return true
	case *raft.RequestPreVoteRequest:
		rpc.Respond(&raft.RequestPreVoteResponse{RPCHeader: header}, nil)
		return true
	case *raft.TimeoutNowRequest:
		rpc.Respond(nil, errOnProbation)
		return true
	case *raft.AppendEntriesRequest:
		p.note(r)
	}
	return false
}

// caughtUp says whether this agent has what the leader had committed, by an entry
// of the leader's own term.
func (a *Agent) caughtUp() (term uint64, leader string, ok bool) {
	p := a.probation
	p.mu.Lock()
	term, goal, leader := p.term, p.goal, p.leader
	p.mu.Unlock()
	if term == 0 || goal == 0 || a.raft.AppliedIndex() < goal || a.raft.CurrentTerm() != term {
		return term, leader, false
	}
	var entry raft.Log
	if err := a.disk.Log.GetLog(a.raft.CommitIndex(), &entry); err == nil {
		return term, leader, entry.Term == term
	}
	return term, leader, a.raft.Stats()["last_snapshot_term"] == strconv.FormatUint(term, 10)
}

// endProbation lets the agent vote from now on, also after a restart.
func (a *Agent) endProbation() error {
	if err := a.disk.Notes.RemoveNote(note.Learner); err != nil {
		return fmt.Errorf("end the probation: %w", err)
	}
	a.standing.say("")
	a.probation.mu.Lock()
	a.probation.on = false
	a.probation.mu.Unlock()
	return nil
}

// patient is how long an agent waits before its log says for what.
const patient = 3 * time.Second

// waits says what an agent without a vote waits for, in the log once.
func (a *Agent) waits(text string) {
	if a.running.Err() != nil || time.Since(a.probation.begun) < patient {
		return
	}
	if a.standing.say(text) {
		a.logger.Warn("this agent started with nothing and does not vote", "waiting", text)
	}
}
