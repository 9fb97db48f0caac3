package director

import (
	"context"
	"fmt"
	"strings"

	"stasis/lab/scenario"
)

// reliefs take back what actions with `for` have done, by the names of their forms.
var reliefs = map[string]action{
	"cut": healLinks, "cut both": healLinks, "isolate": rejoinServers, "freeze": thawServers,
	"pause": resumeServers, "hang disk": healDisks,
	"hang remote": func(_ context.Context, s *stage, _ deed) error { return s.world.Remote().HealAll() },
}

// ends says whether an action ends by itself.
func ends(d deed) bool { return reliefs[d.Verb] != nil && d.Args["time"] != "" }

// resolveServers puts names for the servers of an action that ends by itself: an expression may mean others by then.
func resolveServers(ctx context.Context, s *stage, d *deed) error {
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
func endLater(ctx context.Context, s *stage, d deed) {
	if !ends(d) {
		return
	}
	s.operations.group.Go(func() {
		err := sleep(ctx, scenario.Time(d.Args["time"]))
		if err == nil {
			err = reliefs[d.Verb](ctx, s, d)
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
