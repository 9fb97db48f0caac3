package director

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"stasis/fault"
	"stasis/lab/scenario"
)

// link is one direction between two hosts.
type link struct{ from, to string }

// linksOf are the directions that the arguments a and b name: those of an arrow with one head, or of both.
func linksOf(ctx context.Context, s *stage, d deed) ([]link, error) {
	from, err := s.choice.servers(ctx, d.Args["a"], d.focus)
	if err != nil {
		return nil, err
	}
	to, err := s.choice.servers(ctx, d.Args["b"], d.focus)
	if err != nil {
		return nil, err
	}
	var all []link
	for _, a := range from {
		for _, b := range to {
			if a == b {
				continue
			}
			all = append(all, link{a, b})
			if strings.Contains(d.Text, "<->") {
				all = append(all, link{b, a})
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("both ends are %s", strings.Join(from, ", "))
	}
	return all, nil
}

func eachLink(ctx context.Context, s *stage, d deed, do func(l link) error) error {
	all, err := linksOf(ctx, s, d)
	if err != nil {
		return err
	}
	for _, l := range all {
		if err := do(l); err != nil {
			return fmt.Errorf("%s -> %s: %w", l.from, l.to, err)
		}
	}
	return nil
}

func cutLinks(ctx context.Context, s *stage, d deed) error {
	return eachLink(ctx, s, d, func(l link) error {
		return errors.Join(tallyLink(s, d, l), s.world.Network().Cut(l.from, l.to))
	})
}

func dropLinks(ctx context.Context, s *stage, d deed) error {
	return eachLink(ctx, s, d, func(l link) error {
		return errors.Join(tallyLink(s, d, l), s.world.Network().Drop(l.from, l.to))
	})
}

// tallyLink lets the record of a fault count what a link keeps from arriving from now on.
func tallyLink(s *stage, d deed, l link) error {
	before, err := s.world.Network().Met(l.from, l.to)
	if err != nil || d.record == nil {
		return err
	}
	d.record.meter(func() (int, error) {
		now, err := s.world.Network().Met(l.from, l.to)
		return now - before, err
	})
	return nil
}

func delayLinks(ctx context.Context, s *stage, d deed) error {
	return eachLink(ctx, s, d, func(l link) error {
		s.meetWhileUp(d, l.from, l.to)
		return s.world.Network().Delay(l.from, l.to, scenario.Time(d.Args["time"]))
	})
}

func throttleLinks(ctx context.Context, s *stage, d deed) error {
	return eachLink(ctx, s, d, func(l link) error {
		s.meetWhileUp(d, l.from, l.to)
		return s.world.Network().Throttle(l.from, l.to, scenario.Bytes(d.Args["amount"]))
	})
}

func resetLinks(ctx context.Context, s *stage, d deed) error {
	return eachLink(ctx, s, d, func(l link) error {
		if l.from > l.to { // one reset breaks both directions
			return nil
		}
		if s.runs(l.from) && s.runs(l.to) {
			d.record.meet(1)
		}
		return s.world.Network().Reset(l.from, l.to)
	})
}

func isolateServers(ctx context.Context, s *stage, d deed) error {
	return s.each(ctx, d, func(server string) error {
		for _, other := range s.hosts() {
			if other != server {
				if err := errors.Join(tallyLink(s, d, link{server, other}), tallyLink(s, d, link{other, server})); err != nil {
					return err
				}
			}
		}
		return s.world.Network().Isolate(server)
	})
}

func rejoinServers(ctx context.Context, s *stage, d deed) error {
	return s.each(ctx, d, s.world.Network().Rejoin)
}

func freezeServers(ctx context.Context, s *stage, d deed) error {
	return s.each(ctx, d, func(server string) error {
		if s.mark(s.frozen, server, true) && s.runs(server) {
			d.record.meet(1)
		}
		return s.world.Network().Freeze(server)
	})
}

func thawServers(ctx context.Context, s *stage, d deed) error {
	return s.each(ctx, d, func(server string) error {
		s.mark(s.frozen, server, false)
		return s.world.Network().Thaw(server)
	})
}

func healLinks(ctx context.Context, s *stage, d deed) error {
	return eachLink(ctx, s, d, func(l link) error {
		net := s.world.Network()
		return errors.Join(net.Heal(l.from, l.to), net.Delay(l.from, l.to, 0), net.Throttle(l.from, l.to, 0))
	})
}

// addMessageRule adds a rule about messages.
func addMessageRule(ctx context.Context, s *stage, d deed) error {
	rule := fault.Message{
		Path: d.Args["path"], By: scenario.Time(d.Args["time"]), After: scenario.Count(d.Args["count"]), Times: scenario.Count(d.Args["times"]),
	}
	switch d.Verb {
	case "lose":
		rule.Do = fault.LoseRequest
		if d.Args["which"] == "answers" {
			rule.Do = fault.LoseAnswer
		}
	case "duplicate":
		rule.Do = fault.Duplicate
	case "delay requests":
		rule.Do = fault.DelayIt
	case "reorder":
		rule.Do = fault.Reorder
	}
	return eachLink(ctx, s, d, func(l link) error {
		rule.From, rule.To = l.from, l.to
		met, err := s.world.Network().Message(rule)
		return s.faults.keep(d.record, met, err)
	})
}
