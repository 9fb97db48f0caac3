package director

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"stasis/client"
	"stasis/event"
	"stasis/lab/history"
	"stasis/lab/scenario"
	"stasis/lab/verdict"
	"stasis/lab/world"
)

// Options of one run.
type Options struct {
	Seed     uint64
	LockMode client.LockMode   // of each backup; "": the servers' default
	Log      func(line string) // progress for people; nil: none
	History  io.Writer         // receives the history of the load, line by line; nil: nothing
}

// Play plays s in w, which has just been started, and does not close w.
func Play(ctx context.Context, s *scenario.Scenario, w world.World, o Options) verdict.Verdict {
	j, stop := followPlan(w)
	defer stop()
	return play(ctx, s, w, o, j)
}

func play(ctx context.Context, s *scenario.Scenario, w world.World, o Options, j judge) verdict.Verdict {
	begun := time.Now()
	r := newRun(s, w, o, j)
	stop := w.Watch(func(e event.Event) {
		r.events.see(e)
		r.loads.see(e)
	})
	defer stop()
	r.perform(ctx)
	v := r.verdict()
	v.Virtual = time.Since(begun)
	return v
}

func newRun(s *scenario.Scenario, w world.World, o Options, j judge) *run {
	log := o.Log
	if log == nil {
		log = func(string) {}
	}
	r := &run{scenario: s, world: w, log: log, judge: j, history: history.Open(history.Options{Stream: o.History}), events: newEvents(w), random: rand.New(rand.NewPCG(o.Seed, 12)), seed: o.Seed}
	r.loads = &loads{clients: w.Clients()}
	r.stage = &stage{
		world: w, log: log, events: r.events, loads: r.loads, history: r.history, seed: o.Seed,
		choice: newChooser(w, rand.New(rand.NewPCG(o.Seed, 11))),
		faults: &faults{}, operations: newOperations(s, o.LockMode), holds: map[string][]world.Held{},
		down: map[string]bool{}, paused: map[string]bool{}, frozen: map[string]bool{}, lost: map[string]bool{}, violated: r.result.violated,
	}
	return r
}

// perform is the whole run, up to what is judged.
func (r *run) perform(ctx context.Context) {
	if err := Fits(r.scenario, r.world.Kind()); err != nil {
		r.result.fail(err)
		return
	}
	if err := r.loads.setup(ctx, r.scenario.Load, r.history, r.seed); err != nil {
		r.result.fail(fmt.Errorf("set up the load: %w", err))
		return
	}
	r.begun = time.Now()
	r.loads.start(ctx)
	r.say("the load runs")
	(&script{r}).steps(ctx)
	(&recovery{r}).recover(ctx)
	if wait := r.scenario.Lasts - time.Since(r.begun); wait > 0 {
		_ = sleep(ctx, wait) // an end of ctx shows in what follows
	}
	r.endLoad()
	r.judgeAll(ctx)
	if ctx.Err() != nil {
		r.result.fail(fmt.Errorf("the run was ended: %w", context.Cause(ctx)))
	}
	r.expect()
}

// endLoad stops the load. A client that ends by itself shows nothing of the cluster.
func (r *run) endLoad() {
	if err := r.loads.stop(); err != nil {
		r.result.fail(fmt.Errorf("the load has ended: %w", err))
	}
}

// Fits is nil if a world can do what a scenario needs. The error names the line and the reason.
func Fits(s *scenario.Scenario, kind world.Kind) error {
	var all []error
	if len(s.Worlds) > 0 {
		named := false
		for _, w := range s.Worlds {
			named = named || w == string(kind)
		}
		if !named {
			return fmt.Errorf("%s: the scenario says that it runs in %v alone, not in world %s", s.Name, s.Worlds, kind)
		}
	}
	features := world.Features(kind)
	for _, need := range scenario.Requires(s) {
		why, known := features[world.Feature(need.Feature)]
		if !known {
			why = "this version has it in no world"
		}
		if why != "" {
			all = append(all, fmt.Errorf("%s: line %d: `%s`: %w", s.Name, need.Line, need.What, &world.Unsupported{World: kind, What: need.Feature, Why: why}))
		}
	}
	return errors.Join(all...)
}
