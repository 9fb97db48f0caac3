package director

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"stasis/client"
	"stasis/lab/history"
	"stasis/lab/scenario"
	"stasis/lab/world"
)

// stage is what the steps act on.
type stage struct {
	world      world.World
	log        func(string)
	events     *events
	loads      *loads
	history    *history.History
	choice     *chooser
	faults     *faults
	operations *operations

	mu      sync.Mutex // held shortly
	holds   map[string][]world.Held
	down    map[string]bool // servers that were killed
	paused  map[string]bool
	removed []string
	late    []error // of faults that had to end by themselves
}

// deed is one action that is done now.
type deed struct {
	scenario.Action
	focus
	record *record // of the fault that it is; nil if it is none
}

// verbs are what the actions do, by the names of their forms.
var verbs = map[string]func(*stage, context.Context, deed) error{
	"backup": (*stage).begin, "restore": (*stage).begin, "delete": (*stage).begin,
	"verify": (*stage).begin, "upload": (*stage).begin, "download": (*stage).begin,
	"wait": func(_ *stage, ctx context.Context, d deed) error { return sleep(ctx, scenario.Time(d.Args["time"])) },
	"hold": (*stage).hold, "release": (*stage).release,

	"cut": (*stage).cut, "cut both": (*stage).cut, "delay": (*stage).delay, "delay both": (*stage).delay,
	"throttle": (*stage).throttle, "drop": (*stage).drop, "reset": (*stage).reset,
	"isolate": (*stage).isolate, "rejoin": (*stage).rejoin, "freeze": (*stage).freeze, "thaw": (*stage).thaw,
	"heal link": (*stage).healLinks, "heal both": (*stage).healLinks,
	"heal": func(s *stage, _ context.Context, _ deed) error { return s.heal() },

	"lose": (*stage).message, "duplicate": (*stage).message, "delay requests": (*stage).message, "reorder": (*stage).message,

	"kill": (*stage).kill, "restart": (*stage).restart, "pause": (*stage).pause, "resume": (*stage).resume,
	"crash": (*stage).crash, "skew clock": (*stage).skew,

	"hang disk": (*stage).disk, "slow disk": (*stage).disk, "fail disk": (*stage).disk, "fill disk": (*stage).disk,
	"tear disk": (*stage).disk, "heal disk": (*stage).healDisk,

	"move shard": (*stage).moveShard, "clean out": (*stage).cleanOut, "remove": (*stage).remove,
	"create collection": (*stage).createCollection, "drop collection": (*stage).dropCollection,
}

// act does one action. The error says which.
func (s *stage) act(ctx context.Context, d deed) error {
	s.log(fmt.Sprintf("line %d: %s", d.Line, d.Text))
	err := s.resolve(ctx, &d)
	if err == nil {
		err = verbs[d.Verb](s, ctx, d)
	}
	if err != nil {
		return fmt.Errorf("line %d: %s: %w", d.Line, d.Text, err)
	}
	s.endLater(ctx, d)
	if d.record != nil {
		d.record.injected(d.held && (d.operation == nil || !d.operation.state()))
	}
	return nil
}

// each does something to each of the servers that argument a names.
func (s *stage) each(ctx context.Context, d deed, do func(server string) error) error {
	all, err := s.choice.servers(ctx, d.Args["a"], d.focus)
	if err != nil {
		return err
	}
	for _, server := range all {
		if err := do(server); err != nil {
			return err
		}
	}
	return nil
}

// begin begins an operation and does not wait for it.
func (s *stage) begin(ctx context.Context, d deed) error {
	named, ok := scenario.OperationOf(d.Action)
	if !ok {
		return fmt.Errorf("it is no operation")
	}
	names, err := s.choice.servers(ctx, named.On, d.focus)
	if err != nil {
		return err
	}
	c, err := s.clientOf(names[0])
	if err != nil {
		return err
	}
	o, err := s.operations.begin(named.Label)
	if err != nil {
		return err
	}
	o.coordinator, o.begun = names[0], time.Now()
	s.operations.group.Go(func() {
		bounded, cancel := context.WithTimeout(ctx, operationLimit)
		defer cancel()
		o.err = s.perform(bounded, o, d.Action, c)
		o.ended = time.Now()
		outcome := "has succeeded"
		if o.err != nil {
			outcome = "has failed: " + o.err.Error()
		}
		s.log(fmt.Sprintf("%s on %s %s after %v", o.Label, o.coordinator, outcome, o.ended.Sub(o.begun).Round(time.Millisecond)))
		close(o.done)
	})
	return nil
}

// clientOf asks a coordinator.
func (s *stage) clientOf(coordinator string) (*client.Client, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(coordinator, "coordinator-"))
	if all := s.world.Clients(); err == nil && n >= 1 && n <= len(all) {
		return all[n-1], nil
	}
	return nil, fmt.Errorf("there is no client for %s", coordinator)
}

func (s *stage) kill(ctx context.Context, d deed) error {
	return s.each(ctx, d, func(server string) error {
		s.mark(s.down, server, true)
		s.mark(s.paused, server, false)
		d.record.meet(1)
		return s.world.Kill(server)
	})
}

func (s *stage) crash(ctx context.Context, d deed) error {
	keep := scenario.Count(strings.TrimSuffix(d.Args["percent"], "%"))
	return s.each(ctx, d, func(server string) error {
		s.mark(s.down, server, true)
		d.record.meet(1)
		return s.world.Crash(server, keep)
	})
}

func (s *stage) restart(ctx context.Context, d deed) error {
	return s.each(ctx, d, func(server string) error {
		bounded, cancel := context.WithTimeout(ctx, serveLimit)
		defer cancel()
		if err := s.world.Restart(bounded, server); err != nil {
			return err
		}
		s.mark(s.down, server, false)
		return nil
	})
}

func (s *stage) pause(ctx context.Context, d deed) error {
	return s.each(ctx, d, func(server string) error {
		s.mark(s.paused, server, true)
		d.record.meet(1)
		return s.world.Pause(server)
	})
}

func (s *stage) resume(ctx context.Context, d deed) error {
	return s.each(ctx, d, func(server string) error {
		s.mark(s.paused, server, false)
		return s.world.Resume(server)
	})
}

func (s *stage) skew(ctx context.Context, d deed) error {
	return s.each(ctx, d, func(server string) error {
		d.record.meet(1)
		return s.world.SkewClock(server, scenario.Time(d.Args["offset"]))
	})
}

func (s *stage) mark(set map[string]bool, server string, is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if is {
		set[server] = true
	} else {
		delete(set, server)
	}
}

// marked are the servers of a set, sorted.
func (s *stage) marked(set map[string]bool) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sortedKeys(set)
}
