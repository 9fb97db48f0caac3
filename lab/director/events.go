package director

import (
	"strings"
	"sync"
	"time"

	"stasis/event"
	"stasis/lab/world"
)

// events are all events of the run, in their order.
type events struct {
	world world.World
	mu    sync.Mutex
	all   []event.Event
	more  int // that came and were not kept
}

// mostEvents bounds what is kept of one run.
const mostEvents = 500_000

func newEvents(w world.World) *events { return &events{world: w} }

// see receives every event. It must not wait.
func (l *events) see(e event.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) < mostEvents {
		l.all = append(l.all, e)
	} else {
		l.more++
	}
}

// unkept is how many events came when enough were kept.
func (l *events) unkept() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.more
}

func (l *events) list() []event.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all[:len(l.all):len(l.all)]
}

// last is the latest event of an operation that is about a step; ok is false if there is none.
func (l *events) last(step string, operation string) (e event.Event, ok bool) {
	all := l.list()
	for i := len(all) - 1; i >= 0; i-- {
		if string(all[i].Step) == step && (operation == "" || labelled(all[i].ID, operation)) {
			return all[i], true
		}
	}
	return event.Event{}, false
}

// labelled says whether an id is that of a backup with a label.
func labelled(id, label string) bool { return strings.HasSuffix(id, "_"+label) }

// timesOf are when a step was reached, of a server if one is named.
func (l *events) timesOf(step, server string) []time.Time {
	var all []time.Time
	for _, e := range l.list() {
		if string(e.Step) == step && (server == "" || world.NameOf(l.world, e.Server) == server) {
			all = append(all, e.At)
		}
	}
	return all
}
