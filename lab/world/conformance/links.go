package conformance

import (
	"context"
	"errors"
	"time"

	"stasis/client"
	"stasis/event"
	"stasis/lab/world"
)

func links() []row {
	needs := []world.Feature{world.LinkFaults}
	return []row{
		{"a cut from coordinator to DB server", needs, func(s *scene) (done, error) {
			return s.link(s.world.Network().Cut, s.world.Network().Heal, coordinator, dbserver)
		}},
		{"a cut from DB server to coordinator", needs, func(s *scene) (done, error) {
			return s.link(s.world.Network().Cut, s.world.Network().Heal, dbserver, coordinator)
		}},
		{"a cut from coordinator to client", needs, func(s *scene) (done, error) {
			return s.link(s.world.Network().Cut, s.world.Network().Heal, coordinator, world.Client)
		}},
		{"a loss of what is on its way", needs, func(s *scene) (done, error) {
			return s.link(s.world.Network().Drop, s.world.Network().Reset, coordinator, dbserver)
		}},
		{"an isolated DB server", needs, func(s *scene) (done, error) {
			return s.link(func(_, to string) error { return s.world.Network().Isolate(to) },
				func(_, to string) error { return s.world.Network().Rejoin(to) }, coordinator, dbserver)
		}},
		{"a delay", needs, func(s *scene) (done, error) {
			const by = 50 * time.Millisecond
			return s.slow(by, func(by time.Duration) error { return s.world.Network().Delay(world.Client, coordinator, by) })
		}},
		{"a throttle", needs, func(s *scene) (done, error) {
			const rate = 100_000 // a request has more than 4000 bytes
			return s.slow(40*time.Millisecond, func(by time.Duration) error {
				if by == 0 {
					return s.world.Network().Throttle(world.Client, coordinator, 0)
				}
				return s.world.Network().Throttle(world.Client, coordinator, rate)
			})
		}},
		{"a reset", needs, (*scene).reset},
		{"a frozen coordinator", needs, func(s *scene) (done, error) {
			return s.still(s.world.Network().Freeze, s.world.Network().Thaw)
		}},
		{"a frozen coordinator, and all of the network heals", needs, func(s *scene) (done, error) {
			return s.still(s.world.Network().Freeze, func(string) error { return s.world.Network().HealAll() })
		}},
		{"a rule about a host that does not exist", nil, func(s *scene) (done, error) {
			return done{
				met:  func() (bool, error) { return s.world.Network().Cut(coordinator, "dbserver-99") != nil, nil },
				back: func() error { return nil },
			}, nil
		}},
	}
}

// link breaks one direction between two hosts.
func (s *scene) link(set, back func(from, to string) error, from, to string) (done, error) {
	before, err := s.world.Network().Met(from, to)
	if err != nil {
		return done{}, err
	}
	return done{
		met: func() (bool, error) {
			now, err := s.world.Network().Met(from, to)
			return now > before, err
		},
		back: func() error { return back(from, to) },
	}, set(from, to)
}

// slow makes a write take at least so long.
func (s *scene) slow(by time.Duration, set func(by time.Duration) error) (done, error) {
	var took time.Duration
	return done{
		drive: func() {
			begun := time.Now()
			document := map[string]any{"_key": "slow", "text": string(make([]byte, 4000))}
			if s.world.Clients()[0].Database("").Put(s.ctx, collection, document) == nil {
				took = time.Since(begun)
			}
		},
		met:  func() (bool, error) { return took >= by, nil },
		back: func() error { return set(0) },
	}, set(by)
}

// reset breaks the connections of a client until a stream of events has noticed it.
func (s *scene) reset() (done, error) {
	ctx, cancel := context.WithCancel(s.ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- s.world.Clients()[0].Steps(ctx, client.Follow{New: true}, func(event.Event) error { return nil })
	}()
	var err error
	return done{
		drive: func() { err = s.world.Network().Reset(world.Client, coordinator) },
		met: func() (bool, error) {
			select {
			case broken := <-ended:
				ended <- broken
				return broken != nil, err
			default:
				return false, err
			}
		},
		back: func() error {
			cancel()
			<-ended
			return nil
		},
	}, nil
}

// still lets a coordinator do nothing.
func (s *scene) still(stop, goOn func(server string) error) (done, error) {
	var err error
	return done{
		drive: func() {
			ctx, cancel := context.WithTimeout(s.ctx, short)
			defer cancel()
			err = s.world.Clients()[0].Available(ctx)
		},
		met:  func() (bool, error) { return errors.Is(err, context.DeadlineExceeded), nil },
		back: func() error { return goOn(coordinator) },
	}, stop(coordinator)
}
