package conformance

import (
	"fmt"
	"strings"
	"time"

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
		row{"a hold", []world.Feature{world.Holds}, (*scene).hold},
		row{"a skewed clock", []world.Feature{world.ClockSkew}, func(s *scene) (done, error) {
			return done{
				met:  func() (bool, error) { return true, nil },
				back: func() error { return s.world.SkewClock(dbserver, 0) },
			}, s.world.SkewClock(dbserver, time.Hour)
		}},
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

// alive counts the servers that run.
func (s *scene) alive() int {
	agents, _, others := s.world.Cluster().Alive()
	return agents + others
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
			s.nothingLeft("a hold")
			return err
		},
	}, nil
}
