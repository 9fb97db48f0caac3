package conformance

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/lab/world"
)

// beside is for how long two agents that know nothing must found no agency.
const beside = 3 * time.Second

// mark is what the agency has to know after its recovery.
const mark = "/lab/mark"

// CheckRecovery loses the disks of two of the three agents of a world while the third one is silent. No agency is founded beside the
// old one. The one that is left is recovered, and the others join it.
func CheckRecovery(t testing.TB, w world.World) {
	t.Helper()
	s := &scene{t: t, ctx: t.Context(), world: w}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.agency().Write(s.ctx, agencyclient.Tx{Ops: map[string]any{mark: agencyclient.Set("kept")}})
	must(err)
	s.allKnow() // recovered is what the last one has
	must(w.Kill("agent-1"))
	for _, server := range []string{"agent-2", "agent-3"} {
		must(w.Lose(server))
		must(w.Start(s.ctx, server))
	}
	s.until("an agent without a disk says what it waits for", func() error {
		c, err := s.agency().ConfigOf(s.ctx, w.Nodes()[1].URL)
		if err == nil && c.Status == "" {
			err = errors.New("it says nothing")
		}
		return err
	})
	ctx, cancel := context.WithTimeout(s.ctx, beside)
	defer cancel()
	if root, err := s.agency().Read(ctx, mark); err == nil {
		t.Fatalf("two agents with empty disks are an agency, whose mark is %q", root.At(mark).Text())
	}
	must(w.Recover("agent-1"))
	must(w.Restart(s.ctx, "agent-1"))
	must(s.marked())
	s.until("all agents vote", s.allVote)
	s.allKnow() // an agent that has not heard who votes gives a new voter no vote
	must(w.Kill("agent-1"))
	s.until("those that joined know the mark", s.marked)
	must(w.Restart(s.ctx, "agent-1"))
}

// agency asks all agents.
func (s *scene) agency() *agencyclient.Client {
	var all []string
	agents, _, _ := s.world.Cluster().Nodes()
	for _, n := range agents {
		all = append(all, n.URL)
	}
	return agencyclient.New(agencyclient.Options{Endpoints: all, HTTP: s.world.HTTP()})
}

// allVote is an error until all three agents are members that vote.
func (s *scene) allVote() error {
	ctx, cancel := context.WithTimeout(s.ctx, limit/4)
	defer cancel()
	members, err := s.agency().Members(ctx)
	votes := 0
	for _, m := range members {
		if m.Voter {
			votes++
		}
	}
	if err == nil && votes < 3 {
		err = fmt.Errorf("%d of 3 agents vote", votes)
	}
	return err
}

// marked is an error unless an agency leads that knows the mark.
func (s *scene) marked() error {
	ctx, cancel := context.WithTimeout(s.ctx, limit/4)
	defer cancel()
	root, err := s.agency().Read(ctx, mark)
	if err == nil && root.At(mark).Text() != "kept" {
		err = fmt.Errorf("the agency has lost its mark: it is %q", root.At(mark).Text())
	}
	return err
}

// allKnow waits until all agents have what the leader has.
func (s *scene) allKnow() {
	s.t.Helper()
	agents, _, _ := s.world.Cluster().Nodes()
	for _, n := range agents {
		s.until(n.Name+" has all entries", func() error { return s.knows(n.URL) })
	}
}

// knows is an error until an agent has as many entries as the leader has.
func (s *scene) knows(url string) error {
	leader, err := s.agency().Config(s.ctx)
	if err != nil {
		return err
	}
	c, err := s.agency().ConfigOf(s.ctx, url)
	if err == nil && c.CommitIndex < leader.CommitIndex {
		err = fmt.Errorf("it is at entry %d of %d", c.CommitIndex, leader.CommitIndex)
	}
	return err
}
