// Package joining brings an agent that has started to its place: it founds an agency or joins
// one, becomes a voter when it may, and tells the others when its address has changed.
package joining

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"stasis/agency/founding"
	"stasis/agency/learner"
	"stasis/agency/member"
	"stasis/agency/origin"
	"stasis/agency/store"
	"stasis/internal/network"
	"stasis/internal/wait"
)

// Raft is what a Joiner needs of Raft.
type Raft interface {
	learner.Raft
	BootstrapCluster(raft.Configuration) raft.Future
}

// Options say who joins.
type Options struct {
	Self      string
	Advertise string   // host:port
	Join      []string // agents of the agency to join, "host:port"; empty: none was named
	Network   network.Network
	Heartbeat time.Duration // Raft's; tries are at most half of it apart
	Election  time.Duration // Raft's; another agent answers within twice as long, or is silent

	Members *member.Members
	Learner *learner.Learner
	Origins *origin.Origins
	Guard   *origin.Guard
	Status  *origin.Status
	Founder *founding.Founder
	Disk    *store.Store
	Leads   func() bool // a hint
	Logger  hclog.Logger
}

// Joiner works until the agent is in its place.
type Joiner struct {
	options Options
	raft    Raft
	others  *others
}

// New makes a Joiner. Run does the work.
func New(r Raft, o Options) *Joiner {
	return &Joiner{options: o, raft: r, others: newOthers(o.Network, 2*o.Election, len(o.Join) > 0, o.Origins, o.Guard)}
}

// Run returns when the agent is a voter at its address, or when running ends. A disk that fails
// stops the agent.
func (j *Joiner) Run(running context.Context) {
	defer j.others.close()
	at := j.options.Join
	told := len(at) == 0 && j.options.Members.Has(j.options.Advertise)
	for pause := j.options.Heartbeat / 20; running.Err() == nil; pause = min(2*pause, j.options.Heartbeat/2) {
		if j.options.Learner.Active() {
			takers, err := j.becomeVoter(running, len(at) > 0)
			if err != nil {
				j.options.Guard.GiveUp(err)
				return
			}
			if len(takers) > 0 {
				at, told = takers, false
			}
		}
		told = told || j.announce(running, at)
		if told && !j.options.Learner.Active() {
			return
		}
		if wait.For(running, pause) != nil {
			return
		}
	}
}

// becomeVoter makes a voter of a learner that may vote. If this agent must ask for its membership
// first, takers are the agents to ask. An agent that joins knows them, and takes part in no founding.
func (j *Joiner) becomeVoter(running context.Context, joins bool) (takers []string, err error) {
	if term, leader, ok := j.options.Learner.CaughtUp(j.raft, j.options.Disk.Log); ok {
		if err := learner.Vote(j.options.Disk.Stable, term, leader); err != nil {
			return nil, fmt.Errorf("let the agent vote: %w", err)
		}
		j.options.Logger.Info("caught up, voting from now on", "term", term)
		return nil, j.endLearning()
	}
	if joins {
		return nil, nil // everything comes from the leader
	}
	q := j.inquire(running)
	f, waiting := q.Decide()
	if f.Exists() { // the second inquiry begins when all have answered the first
		q = j.inquire(running)
		again, but := q.Decide()
		if again.Origin == f.Origin {
			return nil, j.found(f)
		}
		waiting = but
	}
	j.waits(running, waiting)
	return q.Recovered(), nil
}

func (j *Joiner) inquire(running context.Context) founding.Inquiry {
	return j.options.Founder.Inquire(running, func(address string, c founding.Call) (reply founding.Answer, err error) {
		err = j.others.ask(running, address, "founding", c, &reply)
		return reply, err
	})
}

// found founds an agency that was decided on. The note comes first: a start that finds it and no
// log writes the first entry.
func (j *Joiner) found(f origin.Founded) error {
	switch err := j.options.Origins.Become(f); {
	case errors.Is(err, origin.ErrStranger): // the leader of another agency was faster
		j.options.Status.Say(err.Error())
		return nil
	case err != nil:
		return fmt.Errorf("found the agency: %w", err)
	}
	// A leader may have been faster; it has the same first entry.
	if err := j.raft.BootstrapCluster(member.First(f.Members)).Error(); err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
		return fmt.Errorf("bootstrap Raft: %w", err)
	}
	j.options.Logger.Info("founded", "origin", f.Origin.String(), "agents", len(f.Members))
	return j.endLearning()
}

func (j *Joiner) endLearning() error {
	err := j.options.Learner.End()
	if err == nil {
		j.options.Status.Say("")
	}
	return err
}

// silentFor is how long an agent waits before its log says for what.
const silentFor = 3 * time.Second

// waits says what a learner waits for, in the log once.
func (j *Joiner) waits(running context.Context, text string) {
	if running.Err() != nil || time.Since(j.options.Learner.Begun()) < silentFor {
		return
	}
	if j.options.Status.Say(text) {
		j.options.Logger.Warn("this agent started with nothing and does not vote", "waiting", text)
	}
}

// request asks for a membership.
type request struct {
	ID       string `json:"id"`
	Endpoint string `json:"endpoint"`
	Join     bool   `json:"join"`
	Ready    bool   `json:"ready"`
}

// announce asks the leader to have this agent as a voter at its address, and tells whether it
// does. join are agents to ask first, of an agency that this agent need not be a member of.
func (j *Joiner) announce(running context.Context, join []string) bool {
	if j.options.Leads() { // an agent alone that has moved, or was recovered
		done, err := j.options.Members.Admit(running, member.Candidate{ID: j.options.Self, Address: j.options.Advertise, Ready: true})
		return done && err == nil // else it is tried again
	}
	body := request{ID: j.options.Self, Endpoint: "tcp://" + j.options.Advertise, Join: len(join) > 0, Ready: !j.options.Learner.Active()}
	failed := errors.New("this agent knows no other: name one with --join")
	for _, address := range append(append([]string{}, join...), j.options.Members.Addresses()...) {
		var reply struct{ Done bool }
		if failed = j.others.ask(running, address, "members", body, &reply); failed == nil {
			return reply.Done
		}
	}
	if len(join) > 0 && j.options.Learner.Active() {
		j.waits(running, "it asks to become a member: "+failed.Error())
	}
	return false
}
