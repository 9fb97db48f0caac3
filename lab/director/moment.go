package director

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"stasis/lab/scenario"
	"stasis/lab/world"
)

// atEvent holds the operations at the moment, and does the actions when the first has reached it.
func (p *script) atEvent(ctx context.Context, s *step, quiet <-chan struct{}) error {
	m := s.When.Event
	server, err := p.run.stage.server(ctx, m.On, focus{})
	if err != nil {
		return fmt.Errorf("line %d: %s: %w", s.Line, s.When.Text, err)
	}
	var holds []world.Held
	defer func() {
		for _, h := range holds {
			h.End()
		}
	}()
	about := make([]*operation, max(1, len(m.Operations)))
	for i := range about {
		if len(m.Operations) > 0 {
			about[i] = p.run.stage.operations.byLabel[m.Operations[i]]
		}
		held, err := arm(p.run.stage, about[i], m.Step, server, m.Passed)
		if err != nil {
			return fmt.Errorf("line %d: %s: %w", s.Line, s.When.Text, err)
		}
		holds = append(holds, held)
	}
	i := p.reached(ctx, holds, about, quiet)
	if i < 0 {
		return ctx.Err()
	}
	f := p.focusAt(m, about[i], server)
	f.held = holds[i]
	for j, h := range holds {
		if j != i {
			h.End()
		}
	}
	defer p.run.stage.disturbed.at(&f)()
	p.run.say("%s: %q is reached", s.When.Text, m.Step)
	return p.do(ctx, s, f)
}

// focusAt is what a moment is about.
func (p *script) focusAt(m *scenario.Moment, o *operation, server string) focus {
	f := focus{operation: o, server: server}
	label := ""
	if o != nil {
		label = o.Backup
	}
	if e, ok := p.run.events.last(m.Step, label); ok {
		if f.server == "" {
			f.server = world.NameOf(p.run.world, e.Server)
		}
		for _, one := range p.run.stage.operations.all {
			if f.operation == nil && one.Kind == e.Operation && labelled(e.ID, one.Backup) {
				f.operation = one
			}
		}
	}
	return f
}

// reached waits until the first of the holds has its event, and returns which; -1 if none can come any more.
func (p *script) reached(ctx context.Context, holds []world.Held, about []*operation, quiet <-chan struct{}) int {
	for {
		cases := []reflect.SelectCase{receive(ctx.Done())}
		for _, h := range holds {
			cases = append(cases, receive(h.Reached()))
		}
		waiting := false
		for _, o := range about {
			if o == nil {
				cases = append(cases, receive(quiet))
				waiting = true
				continue
			}
			if !o.state() && !dismissed(o) {
				cases = append(cases, receive(o.done), receive(o.never))
				waiting = true
			}
		}
		if !waiting { // what had been reached was reached before the operation ended
			return p.reachedNow(ctx, holds, 2*time.Second)
		}
		chosen, _, _ := reflect.Select(cases)
		switch {
		case chosen == 0:
			return -1
		case chosen <= len(holds):
			return chosen - 1
		case about[0] == nil:
			return p.reachedNow(ctx, holds, patience)
		}
	}
}

func receive[T any](c <-chan T) reflect.SelectCase {
	return reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c)}
}

func dismissed(o *operation) bool {
	select {
	case <-o.never:
		return true
	default:
		return false
	}
}

// reachedNow waits for the last time.
func (p *script) reachedNow(ctx context.Context, holds []world.Held, limit time.Duration) int {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	cases := []reflect.SelectCase{receive(ctx.Done()), receive(timer.C)}
	for _, h := range holds {
		cases = append(cases, receive(h.Reached()))
	}
	chosen, _, _ := reflect.Select(cases)
	return chosen - 2 // below 0: none
}
