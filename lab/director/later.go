package director

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"stasis/lab/scenario"
)

// reliefs take back what actions with `for` have done, by the names of their forms.
var reliefs = map[string]func(*stage, context.Context, deed) error{
	"cut": (*stage).healLinks, "cut both": (*stage).healLinks, "isolate": (*stage).rejoin, "freeze": (*stage).thaw,
	"pause": (*stage).resume, "hang disk": (*stage).healDisk,
}

// ends says whether an action ends by itself.
func ends(d deed) bool { return reliefs[d.Verb] != nil && d.Args["time"] != "" }

// resolve puts names for the servers of an action that ends by itself: an expression may mean others by then.
func (s *stage) resolve(ctx context.Context, d *deed) error {
	if !ends(*d) {
		return nil
	}
	args := map[string]string{}
	for name, value := range d.Args {
		args[name] = value
		if name != "a" && name != "b" {
			continue
		}
		names, err := s.choice.servers(ctx, value, d.focus)
		if err != nil {
			return err
		}
		args[name] = strings.Join(names, ", ")
	}
	d.Args = args
	return nil
}

// endLater ends an action by itself, if it says so.
func (s *stage) endLater(ctx context.Context, d deed) {
	if !ends(d) {
		return
	}
	s.operations.group.Go(func() {
		err := sleep(ctx, scenario.Time(d.Args["time"]))
		if err == nil {
			err = reliefs[d.Verb](s, ctx, d)
		}
		if err == nil {
			s.log(fmt.Sprintf("line %d: %s: it has ended", d.Line, d.Text))
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.late = append(s.late, fmt.Errorf("line %d: end %s: %w", d.Line, d.Text, err))
	})
}

// lateErr is what went wrong when faults were to end by themselves.
func (s *stage) lateErr() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.late...)
}
