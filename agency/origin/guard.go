package origin

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/hashicorp/go-hclog"

	"stasis/agency/keys"
	"stasis/agency/learner"
	"stasis/internal/failpoint"
)

// Guard keeps strangers out, and stops the agent when it is the stranger itself. Its methods may
// be called from any goroutine.
type Guard struct {
	origins *Origins
	status  *Status
	voters  func() []string
	stop    func(error)
	logger  hclog.Logger

	mu   sync.Mutex
	met  map[string]keys.Origin // strangers by id, until that id is met as one of ours
	told map[string]keys.Origin // what the log has
}

// NewGuard makes a Guard. voters are the ids of this agency's voters, none before Raft runs. stop
// stops the agent for good; the first reason counts.
func NewGuard(o *Origins, s *Status, voters func() []string, stop func(error), logger hclog.Logger) *Guard {
	return &Guard{origins: o, status: s, voters: voters, stop: stop, logger: logger, met: map[string]keys.Origin{}, told: map[string]keys.Origin{}}
}

// note remembers what an agent of that id belongs to, and says whether the log lacks it.
func (g *Guard) note(id string, theirs keys.Origin, same bool) (news bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if same {
		delete(g.met, id)
		return false
	}
	news = g.told[id] != theirs
	g.met[id], g.told[id] = theirs, theirs
	return news
}

func (g *Guard) strangers() map[string]keys.Origin {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.met)
}

// Meet compares the agency that another agent belongs to with this agent's, and decides which of
// the two is the stranger:
//
//   - Of two incarnations the older one is. The recovery decided that the agency goes on without
//     the older one's newest entries, so those must not come back.
//   - Between two agencies nothing tells which is right. An agent stops itself only if it can
//     have no leader any more: so many of its members' places are held by agents of other
//     agencies that the rest is no majority. Two agencies cannot both have a majority among the
//     same places.
//
// The error says why the other agent is to be refused; it wraps [ErrStranger].
func (g *Guard) Meet(id string, theirs keys.Origin) error {
	mine := g.origins.Origin()
	kin := mine.Sees(theirs)
	news := g.note(id, theirs, kin == keys.Same)
	if kin == keys.Same {
		return nil
	}
	if news {
		g.logger.Warn("refusing an agent that does not belong to this agency", "agent", id, "belongs to", theirs.String(), "this agent", mine.String())
	}
	switch {
	case kin == keys.Newer:
		g.GiveUp(fmt.Errorf("%w: %s goes on as incarnation %d (met at %s): it was recovered, and this agent has the incarnation %d from before. "+
			"Delete this agent's data directory and start it with --join", ErrStranger, mine.Agency, theirs.Incarnation, id, mine.Incarnation))
	case kin == keys.Foreign:
		g.giveUpMinority()
	}
	return fmt.Errorf("%w: %s belongs to %s, this agent to %s", ErrStranger, id, theirs, mine)
}

// giveUpMinority stops the agent if strangers hold so many places of its agency that the rest is
// no majority. Before Raft runs the places are not known; strangers are met again.
func (g *Guard) giveUpMinority() {
	met, voters, ours := g.strangers(), g.voters(), 0
	var names []string
	for _, id := range voters {
		if theirs, ok := met[id]; ok {
			names = append(names, id+" belongs to "+theirs.String())
		} else {
			ours++
		}
	}
	if len(names) == 0 || ours > len(voters)/2 {
		return
	}
	slices.Sort(names)
	g.GiveUp(fmt.Errorf("%w: this agent belongs to %s, which has no majority left: of its %d agents %v. "+
		"If the other agency is the right one, delete this agent's data directory and start it with --join. If this agent has what is to be kept, "+
		"stop the others, and run \"stasis agency recover\" on its data directory", ErrStranger, g.origins.Origin(), len(voters), names))
}

// GiveUp stops the agent, and has its status say why.
func (g *Guard) GiveUp(err error) {
	g.status.Say(err.Error())
	g.stop(err)
}

// Greet says why another agent may not open a Raft stream to this one, nil if it may. An agent
// that belongs to no agency becomes a member of the agency whose leader calls it: the leader has
// it among its members. A caller that only wants to lead gets no vote from a learner anyway.
func (g *Guard) Greet(from string, theirs keys.Origin, leads bool) error {
	if !theirs.Exists() {
		return fmt.Errorf("%w: %s belongs to no agency", ErrStranger, from)
	}
	if !g.origins.Origin().Exists() {
		if !leads {
			return learner.ErrLearner
		}
		if err := g.origins.Become(Founded{Origin: theirs}); err == nil {
			g.logger.Info("this agent belongs to an agency now", "origin", theirs.String(), "leader", from)
		} else if !errors.Is(err, ErrStranger) {
			return err
		}
	}
	if failpoint.Off("raft-refuses-strangers") {
		return nil
	}
	return g.Meet(from, theirs)
}
