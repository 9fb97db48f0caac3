package director

import (
	"context"

	"stasis/lab/scenario"
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

// do does the actions of a step, one after the other.
func (p *script) do(ctx context.Context, s *step, f focus) error {
	s.done++
	for _, i := range p.order(s) {
		a := s.Actions[i]
		if err := act(ctx, p.run.stage, deed{Action: a, focus: f, record: s.records[i]}); err != nil {
			return err
		}
	}
	return nil
}

// order is the order of the actions of a step: as they are written, or as the seed draws it.
func (p *script) order(s *step) []int {
	all := make([]int, len(s.Actions))
	for i := range all {
		all[i] = i
	}
	if s.When.Mixed {
		return p.run.stage.draw(s.Line, s.When.Text).Perm(len(all))
	}
	return all
}
