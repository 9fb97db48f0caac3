package runner

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"time"

	"stasis/event"
	"stasis/lab/director"
	"stasis/lab/scenario"
	"stasis/lab/verdict"
	"stasis/lab/world"
)

// One is one run in this process.
type One struct {
	Job     Job
	Dir     string            // of the cluster's data; not of world bubble
	Program string            // of world processes
	Log     func(line string) // progress for people; nil: none
	Servers io.Writer         // receives the servers' errors; nil: none

	script     func(context.Context, *One) verdict.Verdict // of a test, in place of the scenario; nil: none
	events     []event.Event
	goroutines []byte // what was left in the bubble
}

// mostEvents bounds what is kept of a run's events.
const mostEvents = 200_000

// Defaults of a cluster whose scenario leaves them open. Without latency everything happens at one virtual instant.
const (
	latencyLeast = 100 * time.Microsecond
	latencyMost  = time.Millisecond
)

// Play makes the run. World bubble needs a bubble around it: see [One.Bubble].
func (o *One) Play(ctx context.Context) verdict.Verdict {
	begun := time.Now()
	script := o.script
	if script == nil {
		script = func(ctx context.Context, o *One) verdict.Verdict { return o.play(ctx) }
	}
	v := script(ctx, o)
	v.Scenario, v.World, v.Seed = o.Job.Scenario, string(o.Job.World), o.Job.Seed
	if v.Virtual == 0 {
		v.Virtual = time.Since(begun)
	}
	if v.Trace == "" {
		v.Trace = o.trace()
	}
	return v
}

func broken(err error) verdict.Verdict {
	return verdict.Verdict{Outcome: verdict.Broken, Reason: err.Error()}
}

func (o *One) play(ctx context.Context) verdict.Verdict {
	s, err := scenario.Parse(o.Job.Scenario, o.Job.Source)
	if err != nil {
		return broken(err)
	}
	w, err := world.Start(ctx, o.Job.World, o.config(s.Cluster))
	if err != nil {
		return broken(fmt.Errorf("start the cluster: %w", err))
	}
	stop := w.Watch(func(e event.Event) {
		if len(o.events) < mostEvents {
			o.events = append(o.events, e)
		}
	})
	v := director.Play(ctx, s, w, director.Options{Seed: o.Job.Seed, Log: o.Log})
	stop()
	if err := w.Close(context.WithoutCancel(ctx)); err != nil {
		v = violated(v, verdict.Violation{Check: "the cluster stops", Text: err.Error()})
	}
	return v
}

// violated adds a violation. A run that could not be made stays one.
func violated(v verdict.Verdict, found verdict.Violation) verdict.Verdict {
	v.Violations = append(v.Violations, found)
	if v.Outcome != verdict.Broken {
		v.Outcome, v.Reason = verdict.Violated, ""
	}
	return v
}

// config is the cluster that a scenario asks for.
func (o *One) config(c scenario.Cluster) world.Config {
	config := world.Config{
		Agents: cmp.Or(c.Agents, 3), DBServers: cmp.Or(c.DBServers, 3), Coordinators: cmp.Or(c.Coordinators, 2),
		LatencyLeast: c.LatencyLeast, LatencyMost: c.LatencyMost, Grace: c.Grace, ClockSkew: c.ClockSkew, Buggify: c.Buggify,
		WithoutLocks: o.Job.WithoutLocks, Seed: o.Job.Seed, Dir: o.Dir, Program: o.Program, Log: o.Servers,
	}
	if c.LatencyMost == 0 && world.Can(o.Job.World, world.Latency) == nil {
		config.LatencyLeast, config.LatencyMost = latencyLeast, latencyMost
	}
	return config
}

// trace is the hash of all events in order, with their times since the first.
func (o *One) trace() string {
	h := fnv.New64a()
	for _, e := range o.events {
		fmt.Fprintf(h, "%d %s %s %s %s\n", e.At.Sub(o.events[0].At), e.Operation, e.Step, e.Server, e.Error)
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// writeEvents writes a line of JSON for each event.
func (o *One) writeEvents(path string) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buffered := bufio.NewWriter(f)
	lines := json.NewEncoder(buffered)
	for _, e := range o.events {
		if err := lines.Encode(e); err != nil {
			return err
		}
	}
	return buffered.Flush()
}
