package director

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"stasis/lab/scenario"
	"stasis/lab/world"
)

// step is one step of the scenario that waits for its moment.
type step struct {
	scenario.Step
	records []*record // of its actions; nil for those that take something back, wait, or begin an operation
	begins  []string  // the operations that it begins
	done    int       // how often its actions were done
}

// script is the part of a run in which the scenario's steps are done.
type script struct{ run *run }

// steps does what the scenario says, and returns when nothing of it can come any more.
func (p *script) steps(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	quiet := make(chan struct{}) // closed when only steps of what servers do are waiting
	var first, rest sync.WaitGroup
	all := p.prepared()
	for _, s := range all {
		group := &first
		if s.When.Event != nil && len(s.When.Event.Operations) == 0 {
			group = &rest
		}
		group.Go(func() {
			defer p.run.stage.operations.dismiss(s.begins)
			if err := p.step(ctx, s, quiet); err != nil && ctx.Err() == nil {
				p.run.result.fail(err)
			}
		})
	}
	first.Wait()
	close(quiet)
	rest.Wait()
	p.run.stage.operations.group.Wait()
	p.neverDone(all)
	if err := p.run.stage.lateErr(); err != nil && ctx.Err() == nil {
		p.run.result.fail(err)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		p.run.result.fail(fmt.Errorf("the scenario does not end within %v", runLimit))
	}
}

// neverDone says which actions without a record were never done. Those that have one say so themselves.
func (p *script) neverDone(all []*step) {
	for _, s := range all {
		for i, a := range s.Actions {
			if s.done == 0 && s.records[i] == nil {
				p.run.result.missed("line %d: `%s` was never done: its moment did not come", a.Line, a.Text)
			}
		}
	}
}

// prepared are all steps with the records of their faults.
func (p *script) prepared() []*step {
	var all []*step
	breaks := map[string]bool{}
	for _, f := range scenario.Actions() {
		breaks[f.Name] = f.Fault
	}
	for _, s := range p.run.scenario.Do {
		one := &step{Step: s}
		one.When.Event = chosen(s.When.Event, p.run.seed)
		for i, a := range s.Actions {
			var rec *record
			if breaks[a.Verb] {
				rec = p.run.stage.faults.of(a, aimOf(one.Step, i))
			}
			one.records = append(one.records, rec)
			if o, ok := scenario.OperationOf(a); ok {
				one.begins = append(one.begins, o.Label)
			}
		}
		all = append(all, one)
	}
	return all
}

// chosen is a moment whose step the seed has chosen, if it is left to the seed. Seeds that follow each other take the
// steps in turn.
func chosen(m *scenario.Moment, seed uint64) *scenario.Moment {
	if m == nil || len(m.Among) == 0 {
		return m
	}
	c := *m
	c.Step = m.Among[seed%uint64(len(m.Among))]
	return &c
}

// aimOf is the step that an action aims at: that of its moment, or that of a hold. A restart that follows something else takes
// that back: the operation may have ended by then.
func aimOf(s scenario.Step, i int) string {
	switch a := s.Actions[i]; {
	case a.Verb == "hold":
		return a.Args["step"]
	case a.Verb == "restart" && i > 0:
	case s.When.Event != nil:
		return s.When.Event.Step
	}
	return ""
}

func (p *script) step(ctx context.Context, s *step, quiet <-chan struct{}) error {
	switch w := s.When; {
	case w.Event != nil:
		return p.atEvent(ctx, s, quiet)
	case w.At != nil:
		return p.atTimes(ctx, s)
	default:
		return p.after(ctx, s)
	}
}

// do does the actions of a step, one after the other.
func (p *script) do(ctx context.Context, s *step, f focus) error {
	s.done++
	for i, a := range s.Actions {
		if err := act(ctx, p.run.stage, deed{Action: a, focus: f, record: s.records[i]}); err != nil {
			return err
		}
	}
	return nil
}

func (p *script) atTimes(ctx context.Context, s *step) error {
	until := s.When.Until
	if until == 0 {
		until = p.run.scenario.Lasts
	}
	for at := *s.When.At; ; at += s.When.Every {
		if err := sleep(ctx, at-time.Since(p.run.begun)); err != nil {
			return err
		}
		if err := p.do(ctx, s, focus{}); err != nil {
			return err
		}
		if s.When.Every == 0 || at+s.When.Every > until {
			return nil
		}
	}
}

// after waits for the end of operations. Nothing is done if one of them will not begin, or ends otherwise.
func (p *script) after(ctx context.Context, s *step) error {
	var last *operation
	for _, label := range s.When.After {
		o := p.run.stage.operations.byLabel[label]
		select {
		case <-o.done:
		case <-o.never:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
		if failed := o.err != nil; s.When.Ends == scenario.Fails && !failed || s.When.Ends == scenario.Succeeds && failed {
			return nil
		}
		if last == nil || o.ended.After(last.ended) {
			last = o
		}
	}
	if err := sleep(ctx, s.When.Later); err != nil {
		return err
	}
	return p.do(ctx, s, focus{operation: last})
}

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
	for j, h := range holds {
		if j != i {
			h.End()
		}
	}
	p.run.say("%s: %q is reached", s.When.Text, m.Step)
	return p.do(ctx, s, f)
}

// focusAt is what a moment is about.
func (p *script) focusAt(m *scenario.Moment, o *operation, server string) focus {
	f := focus{operation: o, server: server, held: true, aimed: m.Step}
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
