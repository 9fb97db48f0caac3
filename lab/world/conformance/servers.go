package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"stasis/client"
	"stasis/event"
	"stasis/fault"
	"stasis/lab/world"
)

func servers() []row {
	var all []row
	for _, server := range []string{agent, dbserver, coordinator} {
		all = append(all,
			row{"a killed server: " + server, nil, func(s *scene) (done, error) { return s.down(server, s.world.Kill) }},
			row{"a power cut: " + server, []world.Feature{world.PowerCut}, func(s *scene) (done, error) {
				return s.down(server, func(server string) error { return s.world.Crash(server, 50) })
			}},
		)
	}
	return append(all,
		row{"a paused coordinator", []world.Feature{world.Pause}, func(s *scene) (done, error) {
			return s.still(s.world.Pause, s.world.Resume)
		}},
		row{"a lost disk", []world.Feature{world.LostDisks}, func(s *scene) (done, error) { return s.down(coordinator, s.world.Lose) }},
		row{"an agent that ends itself", []world.Feature{world.DiskFaults, world.AgentDisks}, (*scene).endsItself},
		row{"a hold", []world.Feature{world.Holds}, (*scene).hold},
		row{"a skewed clock", []world.Feature{world.ClockSkew}, (*scene).skew},
	)
}

// down ends a server and starts it again.
func (s *scene) down(server string, end func(string) error) (done, error) {
	before := s.alive()
	return done{
		drive: func() {},
		met:   func() (bool, error) { return s.alive() == before-1, nil },
		back:  func() error { return s.world.Restart(s.ctx, server) },
	}, end(server)
}

// endsItself lets the agency's leader write nothing more. It hears of another term then, which it cannot write down, and ends itself. It
// can be started again when it can write.
func (s *scene) endsItself() (done, error) {
	leader, err := s.leader()
	if err != nil {
		return done{}, err
	}
	disk, err := s.world.Disk(leader)
	if err != nil {
		return done{}, err
	}
	full, err := disk.Fail(fault.Calls{}, syscall.ENOSPC)
	before := s.alive()
	return done{
		drive: s.declare,
		met:   func() (bool, error) { return full.Met() > 0 && s.alive() == before-1, nil },
		back: func() error {
			full.End()
			return s.world.Restart(s.ctx, leader)
		},
	}, err
}

// leader is the agent that leads.
func (s *scene) leader() (name string, err error) {
	c, err := s.agency().Config(s.ctx)
	if err != nil {
		return "", err
	}
	name = world.NameOf(s.world, c.LeaderID)
	if name == "" {
		err = fmt.Errorf("no agent leads, or none that the world has: %q", c.LeaderID)
	}
	return name, err
}

// alive counts the servers that run.
func (s *scene) alive() int {
	agents, _, others := s.world.Cluster().Alive()
	return agents + others
}

// skew sets the clock of a coordinator off, which dates a backup.
func (s *scene) skew() (done, error) {
	const by = 24 * time.Hour
	before, err := s.off()
	if err != nil {
		return done{}, err
	}
	return done{
		drive: func() {},
		met: func() (bool, error) {
			now, err := s.off()
			return (now - before - by).Abs() < limit, err
		},
		back: func() error {
			if err := s.world.SkewClock(coordinator, 0); err != nil {
				return err
			}
			now, err := s.off()
			if err == nil && (now-before).Abs() > limit {
				err = fmt.Errorf("the clock of %s is off by %v, and was by %v before", coordinator, now, before)
			}
			return err
		},
	}, s.world.SkewClock(coordinator, by)
}

// off is by how much the clock of the coordinator is wrong that dates backups.
func (s *scene) off() (time.Duration, error) {
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()
	made, err := s.world.Clients()[0].Backups().Create(ctx, client.CreateRequest{Label: "dated"})
	if err != nil {
		return 0, err
	}
	at, err := time.Parse(time.RFC3339, made.DateTime)
	return time.Until(at), err
}

// hold holds a backup at its cut. What it has then is seen: the lock, pending pieces, closed gates.
func (s *scene) hold() (done, error) {
	held, err := s.world.Hold(fault.Moment{Step: event.CutDone, Operation: event.Create})
	if err != nil {
		return done{}, err
	}
	answer := make(chan error, 1)
	go func() { answer <- s.backup() }()
	return done{
		drive: func() {},
		met: func() (bool, error) {
			select {
			case <-held.Reached():
			case err := <-answer:
				answer <- err
				return false, fmt.Errorf("the backup was not held: %w", err)
			case <-s.ctx.Done():
				return false, s.ctx.Err()
			}
			left, err := s.world.Left(s.ctx)
			for _, what := range []string{"the agency lock is held", "a pending piece", "keeps its gate closed"} {
				if err == nil && !strings.Contains(strings.Join(left, "\n"), what) {
					err = fmt.Errorf("%q is not seen in what is left of a backup that is held: %q", what, left)
				}
			}
			return err == nil, err
		},
		back: func() error {
			held.End()
			err := <-answer
			select {
			case <-held.Over():
				err = errors.Join(err, errors.New("a hold that was let go is said to have ended by itself"))
			default:
			}
			s.nothingLeft("a hold")
			return err
		},
	}, nil
}
