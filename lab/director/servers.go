package director

import (
	"context"
	"errors"
	"strings"
	"sync"

	"stasis/lab/scenario"
)

func killServers(ctx context.Context, s *stage, d deed) error {
	return s.each(ctx, d, func(server string) error {
		s.mark(s.down, server, true)
		s.mark(s.paused, server, false)
		d.record.meet(1)
		return s.world.Kill(server)
	})
}

func crashServers(ctx context.Context, s *stage, d deed) error {
	keep := scenario.Count(strings.TrimSuffix(d.Args["percent"], "%"))
	return s.each(ctx, d, func(server string) error {
		s.mark(s.down, server, true)
		d.record.meet(1)
		return s.world.Crash(server, keep)
	})
}

// restartServers starts servers at once: one may need others.
func restartServers(ctx context.Context, s *stage, d deed) error {
	all, err := s.choice.servers(ctx, d.Args["a"], d.focus)
	if err != nil {
		return err
	}
	errs := make([]error, len(all))
	var group sync.WaitGroup
	for i, server := range all {
		group.Go(func() {
			bounded, cancel := context.WithTimeout(ctx, serveLimit)
			defer cancel()
			if errs[i] = s.world.Restart(bounded, server); errs[i] == nil {
				s.mark(s.down, server, false)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

func pauseServers(ctx context.Context, s *stage, d deed) error {
	return s.each(ctx, d, func(server string) error {
		s.mark(s.paused, server, true)
		d.record.meet(1)
		return s.world.Pause(server)
	})
}

func resumeServers(ctx context.Context, s *stage, d deed) error {
	return s.each(ctx, d, func(server string) error {
		s.mark(s.paused, server, false)
		return s.world.Resume(server)
	})
}

func skewClocks(ctx context.Context, s *stage, d deed) error {
	return s.each(ctx, d, func(server string) error {
		d.record.meet(1)
		return s.world.SkewClock(server, scenario.Time(d.Args["offset"]))
	})
}
