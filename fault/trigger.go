package fault

import (
	"context"
	"slices"
	"strings"
	"sync"

	"stasis/event"
)

// Moment selects events. Zero fields select all; Step has to be set.
type Moment struct {
	Step      event.Name
	Operation string // "create", "restore", …
	ID        string // of the backup
	Label     string // of the backup: the end of its id, which is known before the backup is
	Server    string // the id of the server concerned: minicluster.Node has it
	After     int    // so many selected events pass first
}

func (m Moment) matches(e event.Event) bool {
	equal := func(want, have string) bool { return want == "" || want == have }
	return m.Step == e.Step && equal(m.Operation, e.Operation) && equal(m.ID, e.ID) && equal(m.Server, e.Server) &&
		(m.Label == "" || strings.HasSuffix(e.ID, "_"+m.Label))
}

// Triggers do something when an event comes. Their method Sink is what a cluster is given; the zero value has
// no trigger yet. All methods may be called from any goroutine, also while the cluster runs.
type Triggers struct {
	mu    sync.Mutex // guards armed and what the triggers have met; not held while one acts
	armed []*Trigger
}

// Trigger waits for its Moment.
type Trigger struct {
	all     *Triggers
	moment  Moment
	act     func(context.Context, event.Event)
	met     bool
	event   event.Event
	reached chan struct{}
	ended   chan struct{}
	over    chan struct{}
	once    sync.Once
}

// On calls do at the first event that is selected. The operation goes on when do has returned. do gets the
// context of the operation.
func (t *Triggers) On(m Moment, do func(context.Context, event.Event)) *Trigger {
	return t.add(m, func(*Trigger) func(context.Context, event.Event) { return do })
}

// Hold stops the operation at the first event that is selected, until the trigger's End is called or the
// context of the operation ends.
func (t *Triggers) Hold(m Moment) *Trigger {
	return t.add(m, func(held *Trigger) func(context.Context, event.Event) {
		return func(ctx context.Context, _ event.Event) {
			select {
			case <-held.ended:
			case <-ctx.Done():
				held.wentOn()
			}
		}
	})
}

// wentOn notes that the operation goes on by itself, unless it was let go at the same time.
func (t *Trigger) wentOn() {
	select {
	case <-t.ended:
	default:
		close(t.over)
	}
}

func (t *Triggers) add(m Moment, action func(*Trigger) func(context.Context, event.Event)) *Trigger {
	trigger := &Trigger{all: t, moment: m, reached: make(chan struct{}), ended: make(chan struct{}), over: make(chan struct{})}
	trigger.act = action(trigger)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.armed = append(t.armed, trigger)
	return trigger
}

// Sink is an [event.Sink]: minicluster.Seams.Steps.
func (t *Triggers) Sink(ctx context.Context, e event.Event) {
	t.mu.Lock()
	var due []*Trigger
	for _, trigger := range t.armed {
		switch {
		case !trigger.moment.matches(e):
		case trigger.moment.After > 0:
			trigger.moment.After--
		default:
			trigger.met, trigger.event = true, e
			due = append(due, trigger)
		}
	}
	t.armed = slices.DeleteFunc(t.armed, func(trigger *Trigger) bool { return trigger.met })
	t.mu.Unlock()
	for _, trigger := range due {
		close(trigger.reached)
		trigger.act(ctx, e)
	}
}

// Reached is closed when the event has come, before anything is done about it.
func (t *Trigger) Reached() <-chan struct{} { return t.reached }

// Over is closed when a hold has ended by itself: the context of the operation has ended, and it goes on. What is done from then on
// does not happen under the hold. It stays open when End lets the operation go, and for a trigger that is no hold.
func (t *Trigger) Over() <-chan struct{} { return t.over }

// Met is the event that came; ok is false if none has.
func (t *Trigger) Met() (e event.Event, ok bool) {
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	return t.event, t.met
}

// End lets an operation go on that is held. A trigger that has not met its event does nothing any more.
// Calling it again is harmless.
func (t *Trigger) End() {
	t.once.Do(func() { close(t.ended) })
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	t.all.armed = slices.DeleteFunc(t.all.armed, func(other *Trigger) bool { return other == t })
}
