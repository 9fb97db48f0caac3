package director

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/bits"
	"sync"
	"time"

	"stasis/lab/scenario"
)

// steps does what the scenario says, and returns when nothing of it can come any more.
func (p *script) steps(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	quiet := make(chan struct{}) // closed when only steps of what servers do are waiting
	var first, rest sync.WaitGroup
	all := p.prepared()
	told := make(chan struct{})
	var teller sync.WaitGroup
	waiting := &waits{all: map[*step]bool{}}
	teller.Go(func() { p.tell(waiting, told) })
	defer teller.Wait()
	defer close(told)
	for _, s := range all {
		group := &first
		if s.When.Event != nil && len(s.When.Event.Operations) == 0 {
			group = &rest
		}
		waiting.set(s, true)
		group.Go(func() {
			defer waiting.set(s, false)
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
	p.neverAsked()
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

// neverAsked says which operations could not be asked for: the cluster was not asked, so what came of them shows nothing.
func (p *script) neverAsked() {
	for _, o := range p.run.stage.operations.all {
		if o.state() && o.unasked != nil {
			p.run.result.missed("line %d: %s could not be asked for: %v", o.Line, o.Label, o.unasked)
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
		one.When.Event = chosen(s.When.Event, p.run.scenario.Name, p.run.seed)
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

// chosen is a moment whose step the seed has chosen, if it is left to the seed. Seeds that follow each other take steps far from
// each other, so that a few reach the early and the late ones; scenarios begin at different steps. (Fibonacci hashing: Knuth, The Art
// of Computer Programming 3, 6.4.)
func chosen(m *scenario.Moment, name string, seed uint64) *scenario.Moment {
	if m == nil || len(m.Among) == 0 {
		return m
	}
	h := fnv.New64a()
	_, _ = io.WriteString(h, name) // a hash takes all
	const golden = 0x9e3779b97f4a7c15
	i, _ := bits.Mul64(h.Sum64()+seed*golden, uint64(len(m.Among)))
	c := *m
	c.Step = m.Among[i]
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
