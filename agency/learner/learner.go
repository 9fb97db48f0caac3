// Package learner keeps an agent that has started with nothing from voting.
//
// Such an agent may be new, or its directory was wiped. Then it once acknowledged entries and
// gave votes that others rely on, and a majority with it could elect a leader that lacks them.
//
// A learner takes what a leader sends, gives no vote and asks for none. It becomes a voter when
// the agency is founded (package founding), or when it has everything that a leader had
// committed some time after the learner began, and has given that leader its vote for the term.
// The note PROBATION in the data directory makes it a learner again after a restart.
package learner

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/raft"

	"stasis/agency/fence"
	"stasis/agency/note"
	"stasis/internal/failpoint"
)

// ErrLearner is why an agent gives no vote and asks for none.
var ErrLearner = errors.New("this agent started with nothing and does not vote yet")

// Record is what a learner has written down: the seed of its own directory, and the seeds of
// the agents that have asked it to found an agency. Package founding tells what they prove.
type Record struct {
	Seed string            `json:"seed"`
	Met  map[string]string `json:"met"` // id → seed
}

// NewSeed draws the seed of a directory.
func NewSeed() string { return uuid.NewString() }

// Learner is one agent's. Its methods may be called from any goroutine, once Begin or Load has
// returned.
type Learner struct {
	notes  note.Store
	begun  time.Time
	warmUp time.Duration // what a leader tells earlier does not count
	turn   chan struct{} // one token: its holder may change record
	record Record

	mu     sync.Mutex
	on     bool
	term   uint64 // of the leader that told goal
	goal   uint64 // the last entry that it had committed
	leader string
}

// New makes an agent that is no learner. What a leader tells in the first warmUp does not count.
func New(n note.Store, warmUp time.Duration) *Learner {
	return &Learner{notes: n, begun: time.Now(), warmUp: warmUp, turn: make(chan struct{}, 1)}
}

// Begin makes the agent a learner, and draws the seed of its directory.
func (l *Learner) Begin() error {
	on, err := l.Load()
	if err != nil || on && l.record.Seed != "" {
		return err
	}
	l.record, l.on = Record{Seed: NewSeed()}, true
	return note.Write(l.notes, note.Learner, l.record)
}

// Load makes the agent a learner if it was one when it stopped.
func (l *Learner) Load() (on bool, err error) {
	raw, err := l.notes.ReadNote(note.Learner)
	if err != nil || raw == nil {
		return false, err
	}
	if err := json.Unmarshal(raw, &l.record); err != nil {
		l.record = Record{} // written before there were seeds
	}
	l.on = true
	return true, nil
}

// Active tells whether the agent is a learner.
func (l *Learner) Active() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.on
}

// Begun is when the agent started.
func (l *Learner) Begun() time.Time { return l.begun }

// MayVote is [ErrLearner] while the agent is a learner, nil otherwise.
func (l *Learner) MayVote() error {
	if l.Active() {
		return ErrLearner
	}
	return nil
}

// note takes the goal from the call of a leader.
func (l *Learner) note(r *raft.AppendEntriesRequest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.on && r.LeaderCommitIndex > 0 && r.Term > l.term && time.Since(l.begun) >= l.warmUp {
		l.term, l.goal, l.leader = r.Term, r.LeaderCommitIndex, string(r.ID)
	}
}

// Filter gives the calls of other agents without those that ask a learner for a vote.
func (l *Learner) Filter(from <-chan raft.RPC, done <-chan struct{}) <-chan raft.RPC {
	return fence.Filter(from, done, l.refuse)
}

func (l *Learner) refuse(rpc raft.RPC) bool {
	if !l.Active() {
		return false
	}
	if _, appends := rpc.Command.(*raft.AppendEntriesRequest); failpoint.Off("learner-gives-no-vote") && !appends {
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
		rpc.Respond(nil, ErrLearner)
		return true
	case *raft.AppendEntriesRequest:
		l.note(r)
	}
	return false
}

// Raft is what a learner reads of Raft to know how far it is.
type Raft interface {
	AppliedIndex() uint64
	CommitIndex() uint64
	CurrentTerm() uint64
	Stats() map[string]string
}

// CaughtUp tells whether this agent has what a leader had committed, by an entry of the term of
// that leader.
func (l *Learner) CaughtUp(r Raft, log raft.LogStore) (term uint64, leader string, ok bool) {
	l.mu.Lock()
	term, goal, leader := l.term, l.goal, l.leader
	l.mu.Unlock()
	if term == 0 || goal == 0 || r.AppliedIndex() < goal || r.CurrentTerm() != term {
		return term, leader, false
	}
	var entry raft.Log
	if err := log.GetLog(r.CommitIndex(), &entry); err == nil {
		return term, leader, entry.Term == term
	}
	return term, leader, r.Stats()["last_snapshot_term"] == strconv.FormatUint(term, 10)
}

// Vote gives this term's vote to its leader, durably: the agent cannot give it to another.
func Vote(stable raft.StableStore, term uint64, leader string) error {
	return errors.Join(stable.SetUint64([]byte("LastVoteTerm"), term), stable.Set([]byte("LastVoteCand"), []byte(leader)))
}

// End makes the agent a voter, also after a restart.
func (l *Learner) End() error {
	if err := l.notes.RemoveNote(note.Learner); err != nil {
		return fmt.Errorf("let the agent vote: %w", err)
	}
	l.mu.Lock()
	l.on = false
	l.mu.Unlock()
	return nil
}

// Meet writes down, durably, that an agent has asked, and gives all that is written down. Under
// an id the first seed stays.
func (l *Learner) Meet(id, seed string) (Record, error) {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	if l.record.Met[id] != "" {
		return l.record, nil
	}
	next := Record{Seed: l.record.Seed, Met: map[string]string{id: seed}}
	maps.Copy(next.Met, l.record.Met)
	if err := note.Write(l.notes, note.Learner, next); err != nil {
		return Record{}, err
	}
	l.record = next
	return next, nil
}

// Known is what is written down. It must not be changed.
func (l *Learner) Known() Record {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	return l.record
}
