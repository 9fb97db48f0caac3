package director

import (
	"context"
	"fmt"
	"time"

	"stasis/event"
	"stasis/fault"
	"stasis/lab/world"
)

// arm holds an operation at a moment. o is nil for any operation.
func arm(s *stage, o *operation, step, server string, passed int) (world.Held, error) {
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

// holdAt arms a hold for each of the operations. It ends when it is released, or after a minute.
func holdAt(ctx context.Context, s *stage, d deed) error {
	server, err := s.server(ctx, d.Args["server"], d.focus)
	if err != nil {
		return err
	}
	for _, label := range s.labels(d) {
		o := s.operations.byLabel[label]
		held, err := arm(s, o, d.Args["step"], server, 0)
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.holds[label] = append(s.holds[label], held)
		s.mu.Unlock()
		s.operations.group.Go(func() { guardHold(ctx, s, o, held, d) })
	}
	return nil
}

// guardHold counts a hold and ends it in time.
func guardHold(ctx context.Context, s *stage, o *operation, held world.Held, d deed) {
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

func releaseHeld(_ context.Context, s *stage, d deed) error {
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
