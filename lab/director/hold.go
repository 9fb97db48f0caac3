package director

import (
	"context"
	"fmt"
	"time"

	"stasis/event"
	"stasis/fault"
	"stasis/lab/scenario"
	"stasis/lab/world"
)

// arm holds an operation at a moment. o is nil for any operation.
func (s *stage) arm(o *operation, step, server string, passed int) (world.Held, error) {
	m := fault.Moment{Step: event.Name(step), After: passed}
	if o != nil {
		m.Operation, m.Label = o.Kind, o.Backup
	}
	if server != "" {
		id, err := world.IDOf(s.world, server)
		if err != nil {
			return nil, err
		}
		m.Server = id
	}
	return s.world.Hold(m)
}

// hold arms a hold for each of the operations. It ends when it is released, or after a minute.
func (s *stage) hold(ctx context.Context, d deed) error {
	server, err := s.server(ctx, d.Args["server"], d.focus)
	if err != nil {
		return err
	}
	for _, label := range s.labels(d) {
		o := s.operations.byLabel[label]
		held, err := s.arm(o, d.Args["step"], server, 0)
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.holds[label] = append(s.holds[label], held)
		s.mu.Unlock()
		s.operations.group.Go(func() { s.guard(ctx, o, held, d) })
	}
	return nil
}

// guard counts a hold and ends it in time.
func (s *stage) guard(ctx context.Context, o *operation, held world.Held, d deed) {
	defer held.End()
	select {
	case <-held.Reached():
	case <-o.done:
		return
	case <-o.never:
		return
	case <-ctx.Done():
		return
	}
	d.record.meet(1)
	d.record.overlap()
	limit := time.NewTimer(holdLimit)
	defer limit.Stop()
	select {
	case <-limit.C:
		s.log(fmt.Sprintf("line %d: %s was not released: it ends after %v", d.Line, d.Text, holdLimit))
	case <-o.done:
	case <-ctx.Done():
	}
}

// labels are the operations that an action names.
func (s *stage) labels(d deed) []string {
	var all []string
	for _, l := range scenario.OperationsIn(d.Args["operations"]) {
		if l != "both" && l != "all" {
			all = append(all, l)
			continue
		}
		for _, o := range s.operations.all {
			all = append(all, o.Label)
		}
	}
	return all
}

func (s *stage) release(_ context.Context, d deed) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, label := range s.labels(d) {
		for _, held := range s.holds[label] {
			held.End()
		}
		delete(s.holds, label)
	}
	return nil
}

// server is the one server that an expression names; "" if there is no expression.
func (s *stage) server(ctx context.Context, text string, f focus) (string, error) {
	if text == "" {
		return "", nil
	}
	all, err := s.choice.servers(ctx, text, f)
	if err != nil {
		return "", err
	}
	if len(all) != 1 {
		return "", fmt.Errorf("`%s` are %d servers", text, len(all))
	}
	return all[0], nil
}
