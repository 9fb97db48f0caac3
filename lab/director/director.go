package director

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"stasis/lab/history"
	"stasis/lab/scenario"
	"stasis/lab/verdict"
	"stasis/lab/world"
)

// Options of one run.
type Options struct {
	Seed    uint64
	Log     func(line string) // progress for people; nil: none
	History io.Writer         // receives the history of the load, line by line; nil: nothing
}

// Bounds of a run, on the world's clock.
const (
	runLimit       = 20 * time.Minute // of the scenario's own part
	operationLimit = 6 * time.Minute  // of one operation: a backup waits for two minutes for its lock
	callLimit      = 30 * time.Second // of a call that is no operation
	leftLimit      = time.Minute      // until nothing is left, unless the scenario says
	serveLimit     = 2 * time.Minute  // until the cluster serves, unless the scenario says
	patience       = 30 * time.Second // how long a step waits for what servers do, once nothing else goes on
	holdLimit      = time.Minute      // of a hold that is not released
	grace          = 30 * time.Second // of the clients' last operations
	pause          = 250 * time.Millisecond
)

// Play plays s in w, which has just been started, and does not close w.
func Play(ctx context.Context, s *scenario.Scenario, w world.World, o Options) verdict.Verdict {
	return play(ctx, s, w, o, pieces{})
}

func play(ctx context.Context, s *scenario.Scenario, w world.World, o Options, j judge) verdict.Verdict {
	begun := time.Now()
	r := newRun(s, w, o, j)
	stop := w.Watch(r.events.see)
	defer stop()
	r.perform(ctx)
	v := r.verdict()
	v.Virtual = time.Since(begun)
	return v
}

// run is one run of a scenario.
type run struct {
	scenario *scenario.Scenario
	world    world.World
	log      func(string)
	judge    judge
	history  *history.History
	events   *events
	loads    *loads
	stage    *stage // what the steps act on
	result   result
	random   *rand.Rand // of what is judged
	seed     uint64
	begun    time.Time // when the load began
}

func newRun(s *scenario.Scenario, w world.World, o Options, j judge) *run {
	log := o.Log
	if log == nil {
		log = func(string) {}
	}
	r := &run{scenario: s, world: w, log: log, judge: j, history: history.Open(history.Options{Stream: o.History}), events: newEvents(w), random: rand.New(rand.NewPCG(o.Seed, 12)), seed: o.Seed}
	r.loads = &loads{clients: w.Clients()}
	r.stage = &stage{
		world: w, log: log, events: r.events, loads: r.loads, history: r.history,
		choice: newChooser(w, rand.New(rand.NewPCG(o.Seed, 11))),
		faults: &faults{}, operations: newOperations(s), holds: map[string][]world.Held{},
		down: map[string]bool{}, paused: map[string]bool{},
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
	r.steps(ctx)
	r.recover(ctx)
	if wait := r.scenario.Lasts - time.Since(r.begun); wait > 0 {
		_ = sleep(ctx, wait) // an end of ctx shows in what follows
	}
	if err := r.loads.stop(); err != nil {
		r.result.violated("the load", 0, err.Error())
	}
	r.result.straddling = r.straddling()
	r.judgeAll(ctx)
	r.expect()
}

func (r *run) say(format string, args ...any) {
	r.log(fmt.Sprintf("%8.3fs  %s", time.Since(r.begun).Seconds(), fmt.Sprintf(format, args...)))
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
		if need.Feature == scenario.LocksOff {
			continue // of the experiment beside the scenario: the runner asks for it
		}
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

// sleep waits on the world's clock.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// result collects what a run found.
type result struct {
	mu      sync.Mutex
	broken  error
	found   []verdict.Violation
	backups []verdict.Backup
	vacuous []string
	notes   []string

	straddling int
	judged     int
	probes     []*operation // backups of the check that the cluster serves
	left       outlast      // how long something was left
	served     outlast      // how long it took until the cluster served
	restored   string       // label of the backup that was restored at the end
}

// outlast is how long something took, and what was wrong at the last look.
type outlast struct {
	took  time.Duration
	still string // "" at the end
}

func (r *result) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken == nil {
		r.broken = err
	}
}

func (r *result) violated(check string, line int, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found = append(r.found, verdict.Violation{Check: check, Line: line, Text: text})
}

func (r *result) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}
