// Package founding makes one agency of agents that all have nothing.
//
// An agency is founded once. An agent with an empty directory cannot tell whether it is new or
// was wiped. But an agent that was asked to take part in a founding, and still has its directory,
// can:
//
//   - A directory that starts among peers draws a seed.
//   - An agent that wants to found asks every named peer, and tells its own seed. The agent that
//     is asked writes the asker's seed down, durably, before it answers with its own seed and with
//     all seeds that it has written down. Under an id it keeps the first seed it was told.
//   - An agent founds when every named peer has answered, twice in a row and with the same seeds,
//     that it belongs to no agency and names the same peers, and when no seed that any of them
//     has written down is another one.
//   - The agency's UUID is the hash of all seeds. So all find the same one, and an agent whose own
//     seed is among those of an agency that another agent has founded belongs to it, and has lost
//     nothing since.
//
// Why there is no second agency beside one that has acknowledged anything. Let x be the first
// that founded A. A acknowledges nothing before it has a leader, whom a majority of founders has
// elected. A second agency B needs that too, so one agent w has founded A, lost its directory, and
// come back as w', whose seed B has. Let f be the first that founded B. If x has its directory, it
// has told f that it belongs to A, because f's second inquiry began when w' had answered, after x
// founded. If x has lost it too, it has another seed in B; and every named agent y had written x's
// old seed down before x founded. So y, unless it has lost its directory as well, has told f of it
// in the second inquiry. Hence f founds B only when all directories that knew of A are lost: then
// there is nothing left of A.
package founding

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"stasis/agency/learner"
	"stasis/agency/origin"
	"stasis/internal/failpoint"
)

// Founder is one agent's part in foundings. Its methods may be called from any goroutine.
type Founder struct {
	Self      string
	Peers     map[string]string // id → host:port, this agent included
	Bootstrap bool              // silence counts as emptiness: the operator says so
	Origins   *origin.Origins
	Learner   *learner.Learner
	// Known are the leader and the members of the agency, as far as this agent knows them.
	Known func() (leader string, members []string)
}

// Answer answers an agent with an empty directory. The error says that its seed could not be
// written down: then it must not be answered.
func (f *Founder) Answer(c Call) (Answer, error) {
	reply := Answer{ID: f.Self, Peers: f.Peers}
	if mine := f.Origins.Part(); mine.Exists() {
		reply.Founded = &mine
		reply.Leader, reply.Voters = f.Known()
		return reply, nil
	}
	known, err := f.Learner.Meet(c.ID, c.Seed)
	if err != nil {
		return Answer{}, fmt.Errorf("write down which agent asked: %w", err)
	}
	reply.Seed, reply.Met = known.Seed, known.Met
	return reply, nil
}

// Inquire asks all named peers at once. ask sends a call to one address.
func (f *Founder) Inquire(ctx context.Context, ask func(address string, c Call) (Answer, error)) Inquiry {
	q := Inquiry{self: f.Self, peers: f.Peers, bootstrap: f.Bootstrap, answers: map[string]*Answer{}}
	call := Call{ID: f.Self, Seed: f.Learner.Known().Seed}
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, id := range slices.Sorted(maps.Keys(f.Peers)) { // in an order, so that runs can be repeated
		address := f.Peers[id]
		if id == f.Self {
			continue
		}
		asking.Go(func() {
			if err := failpoint.Hit(ctx, "agency/founding/ask", f.Self+" "+id); err != nil {
				return
			}
			reply, err := ask(address, call)
			if err != nil || reply.ID != id {
				return // silent, or another agent is there
			}
			mu.Lock()
			defer mu.Unlock()
			q.answers[id] = &reply
		})
	}
	asking.Wait()
	q.record = f.Learner.Known()
	return q
}
