package control

import (
	"context"
	"sync"

	"stasis/event"
)

// hold stops one operation at a step.
type hold struct {
	session  *Session
	released chan struct{}
	mu       sync.Mutex // guards over
	over     string     // why it ended by itself; "": it has not
}

// hold ends with the connection.
func (f *Faults) hold(s *Session, o Order) (Answer, error) {
	switch {
	case f.parts.Steps == nil:
		return Answer{}, Errorf(CannotDo, "this process gives no events")
	case o.Moment == nil || o.Moment.Step == "":
		return Answer{}, Errorf(BadOrder, "a hold needs the step: name one of event.Name")
	case o.Moment.After < 0:
		return Answer{}, Errorf(BadOrder, "%d steps cannot pass first: want 0 or more", o.Moment.After)
	}
	h := &hold{session: s, released: make(chan struct{})}
	trigger := f.parts.Steps.triggers.On(*o.Moment, h.stop)
	tell := func(r *Rule) {
		if e, ok := trigger.Met(); ok {
			r.Met, r.Event = 1, &e
		}
		r.Over = h.ended()
	}
	r := f.rules.addTold(Rule{Kind: holdKind, Moment: o.Moment}, tell, func() { trigger.End(); close(h.released) })
	s.OnEnd(func() { f.rules.end(r.ID) })
	return Answer{Rule: &r}, nil
}

// holdKind is the kind of rules that are holds.
const holdKind = "hold"

// stop holds the operation. One that reaches a limit of its own goes on without a release: the controller is told, or it would
// take what follows for what happened under its hold.
func (h *hold) stop(ctx context.Context, e event.Event) {
	h.session.Send(e)
	select {
	case <-h.released:
		return
	case <-ctx.Done():
	}
	select {
	case <-h.released: // both at once: the controller knows of its own
		return
	default:
	}
	why := "the operation ended its wait: " + context.Cause(ctx).Error()
	h.mu.Lock()
	h.over = why
	h.mu.Unlock()
	h.session.conn.send(line{ID: h.session.id, Over: why})
}

func (h *hold) ended() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.over
}

// release lets an operation go on. The second release of a hold is an error, and so is one of a rule that is no hold.
func (f *Faults) release(_ *Session, o Order) (Answer, error) {
	for _, r := range f.rules.take(func(r Rule) bool { return r.ID == o.Rule && r.Kind == holdKind }) {
		last := r.now()
		r.undo()
		return Answer{Met: last.Met, Rule: &last}, nil
	}
	if other, ok := f.rules.find(o.Rule); ok {
		return Answer{}, Errorf(BadOrder, "rule %d is a %s, no hold: %q takes it back", o.Rule, other.Kind, RuleEnd)
	}
	if f.rules.made(o.Rule) {
		return Answer{}, Errorf(NoSuchRule, "hold %d was released already, or its connection has ended: %q shows those that there are", o.Rule, RuleList)
	}
	return Answer{}, Errorf(NoSuchRule, "there is no hold %d: %q shows those that there are", o.Rule, RuleList)
}
