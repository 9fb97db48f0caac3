package world

import (
	"fmt"
	"slices"
	"sync"

	"stasis/event"
)

// gates are the gates of DB servers that are closed, or asked for, by what the servers tell. They are in the servers'
// memory, so nothing else shows them.
type gates struct {
	mu   sync.Mutex
	held map[claim]event.Event // the last event of each claim that has not ended
}

// claim is one attempt of a backup to hold the gate of one server.
type claim struct {
	server, backup string
	attempt        int
}

// see notes what becomes of a gate.
func (g *gates) see(e event.Event) {
	c := claim{e.Server, e.ID, e.Attempt}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch e.Step {
	case event.GateAsked, event.GateGranted:
		if g.held == nil {
			g.held = map[claim]event.Event{}
		}
		g.held[c] = e
	case event.GateRefused, event.GateReleased, event.GateExpired:
		delete(g.held, c)
	}
}

// gone forgets the gates of a server whose memory is gone.
func (g *gates) gone(server string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.held {
		if c.server == server {
			delete(g.held, c)
		}
	}
}

// closed lists the gates that are not open.
func (g *gates) closed(name func(id string) string) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var found []string
	for c, e := range g.held {
		what := "keeps its gate closed for"
		if e.Step == event.GateAsked {
			what = "is asked for its gate by"
		}
		found = append(found, fmt.Sprintf("%s %s backup %s (attempt %d)", name(c.server), what, c.backup, c.attempt))
	}
	slices.Sort(found)
	return found
}
