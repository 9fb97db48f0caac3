package director

import (
	"context"
	"fmt"
	"strings"

	"stasis/lab/scenario"
)

// atOnce does something to each of the servers that argument a names, at once: power fails everywhere at one instant,
// and a server that starts may need others.
func atOnce(ctx context.Context, s *stage, d deed, do func(server string) error) error {
	all, err := s.choice.servers(ctx, d.Args["a"], d.focus)
	if err != nil {
		return err
	}
	return s.turns.forEach(ctx, all, do)
}

func killServers(ctx context.Context, s *stage, d deed) error {
	return atOnce(ctx, s, d, func(server string) error {
		s.fall(d, server)
		return s.world.Kill(server)
	})
}

func crashServers(ctx context.Context, s *stage, d deed) error {
	keep := scenario.Count(strings.TrimSuffix(d.Args["percent"], "%"))
	return atOnce(ctx, s, d, func(server string) error {
		s.fall(d, server) // what a server has written that is dead is on its disk
		return s.world.Crash(server, keep)
	})
}

// restartServers starts servers again. One that cannot start while faults are there is started when everything has healed. One that
// cannot although nothing is broken has failed: that is no fault that missed.
func restartServers(ctx context.Context, s *stage, d deed) error {
	all, err := s.choice.servers(ctx, d.Args["a"], d.focus)
	if err != nil {
		return err
	}
	quiet := s.quiet(d, all)
	return s.turns.forEach(ctx, all, func(server string) error {
		bounded, cancel := context.WithTimeout(ctx, serveLimit)
		defer cancel()
		s.mark(s.down, server, true)
		s.lively(server)
		err := s.world.Restart(bounded, server)
		switch {
		case err == nil:
			s.mark(s.down, server, false)
			s.mark(s.lost, server, false)
		case ctx.Err() == nil && quiet():
			s.violated("came back", d.Line, fmt.Sprintf("%s did not come back when it was restarted, and nothing was broken: %v", server, err))
		}
		return answered(ctx, s, d, err)
	})
}

func pauseServers(ctx context.Context, s *stage, d deed) error {
	return s.each(ctx, d, func(server string) error {
		if s.mark(s.paused, server, true) && s.runs(server) {
			d.record.meet(1)
		}
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
		s.meetWhileUp(d, server)
		return s.world.SkewClock(server, scenario.Time(d.Args["offset"]))
	})
}

// loseDisks ends servers, whose disks are empty then.
func loseDisks(ctx context.Context, s *stage, d deed) error {
	return atOnce(ctx, s, d, func(server string) error {
		s.mark(s.down, server, true)
		s.lively(server)
		if s.mark(s.lost, server, true) { // also that of a dead server has something to lose
			d.record.meet(1)
		}
		return s.world.Lose(server)
	})
}

// startServers starts servers and does not wait until they serve. What cannot serve yet is waited for when everything has healed.
func startServers(ctx context.Context, s *stage, d deed) error {
	return atOnce(ctx, s, d, func(server string) error {
		s.mark(s.lost, server, false)
		return s.world.Start(ctx, server)
	})
}

func recoverAgency(ctx context.Context, s *stage, d deed) error {
	return s.each(ctx, d, func(server string) error {
		d.record.meet(1)
		return s.world.Recover(server)
	})
}
