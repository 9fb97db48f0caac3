package runner

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"stasis/event"
	"stasis/internal/bubbles"
	"stasis/lab/director"
	"stasis/lab/scenario"
	"stasis/lab/verdict"
	"stasis/lab/world"
)

// One is one run in this process.
type One struct {
	Job     Job
	Folder  string            // receives history, events and goroutines that are left, and has the cluster's data
	Program string            // of world processes
	Log     func(line string) // progress for people; nil: none
	Servers io.Writer         // receives the servers' errors; nil: none

	script     func(context.Context, *One) verdict.Verdict // of a test, in place of the scenario; nil: none
	events     []event.Event
	unkept     int // events
	goroutines []byte
}

// mostEvents bounds what is kept of a run's events.
const mostEvents = 200_000

// Make makes the run and leaves in the folder what it tells. The error is about the folder.
func (o *One) Make(t *testing.T) (v verdict.Verdict, err error) {
	if o.Job.World == world.Bubble {
		v = o.bubble(t)
	} else {
		if err := os.MkdirAll(filepath.Join(o.Folder, dirData), 0o700); err != nil {
			return v, err
		}
		v = o.run(t.Context())
	}
	if len(o.goroutines) > 0 {
		err = os.WriteFile(filepath.Join(o.Folder, fileGoroutines), o.goroutines, 0o600)
	}
	return v, errors.Join(err, o.writeEvents(filepath.Join(o.Folder, fileEvents)))
}

// bubble makes the run in a bubble of testing/synctest. Goroutines that are left at its end are a violation: the
// bubble cannot end with them.
func (o *One) bubble(t *testing.T) (v verdict.Verdict) {
	defer func() {
		if complaint := recover(); complaint != nil {
			v = o.left(v, fmt.Sprint(complaint))
		}
	}()
	bubbles.Test(t, func(t *testing.T) { v = o.run(t.Context()) })
	return v
}

// left is the verdict of a run whose bubble could not end.
func (o *One) left(v verdict.Verdict, complaint string) verdict.Verdict {
	all := make([]byte, 16<<20)
	var in []string
	for _, g := range strings.Split(string(all[:runtime.Stack(all, true)]), "\n\n") {
		if head, _, _ := strings.Cut(g, "\n"); strings.Contains(head, "synctest bubble") {
			in = append(in, g)
		}
	}
	o.goroutines = []byte(complaint + "\n\n" + strings.Join(in, "\n\n") + "\n")
	at := firstFrame([]byte(strings.Join(in, "\n\n")))
	if v.Outcome == "" { // the run itself did not end
		return o.named(broken(fmt.Errorf("nothing goes on any more: %s, %d goroutines wait, the first at %s", complaint, len(in), at)))
	}
	v.Violate(verdict.Violation{Check: "nothing left", Text: fmt.Sprintf("%d goroutines are left after the cluster was stopped, the first at %s", len(in), at)})
	return v
}

// run makes the run, in the bubble if there is one.
func (o *One) run(ctx context.Context) verdict.Verdict {
	begun := time.Now()
	var v verdict.Verdict
	if o.script != nil {
		v = o.script(ctx, o)
	} else {
		v = o.play(ctx)
	}
	if v.Virtual == 0 {
		v.Virtual = time.Since(begun)
	}
	if o.unkept > 0 {
		v.Notes = append(v.Notes, fmt.Sprintf("%d events came after the first %d, and are not kept", o.unkept, mostEvents))
	}
	return o.named(v)
}

func (o *One) named(v verdict.Verdict) verdict.Verdict {
	v.Scenario, v.World, v.Seed = o.Job.Scenario, string(o.Job.World), o.Job.Seed
	return v
}

func broken(err error) verdict.Verdict {
	return verdict.Verdict{Outcome: verdict.Broken, Reason: err.Error()}
}

func (o *One) play(ctx context.Context) (v verdict.Verdict) {
	s, err := scenario.Parse(o.Job.Scenario, o.Job.Source)
	if err == nil {
		err = director.Fits(s, o.Job.World)
	}
	if err != nil {
		return broken(err)
	}
	history, err := os.Create(filepath.Join(o.Folder, fileHistory))
	if err != nil {
		return broken(err)
	}
	defer func() {
		if err := history.Close(); err != nil {
			v.Break("write the history: " + err.Error())
		}
	}()
	w, err := world.Start(ctx, o.Job.World, o.config(s.Cluster))
	if err != nil {
		return broken(fmt.Errorf("start the cluster: %w", err))
	}
	stop := w.Watch(o.see)
	v = director.Play(ctx, s, w, director.Options{Seed: o.Job.Seed, LockMode: o.Job.LockMode, Log: o.Log, History: history})
	stop()
	if err := w.Close(context.WithoutCancel(ctx)); err != nil {
		v.Violate(verdict.Violation{Check: "the cluster stops", Text: err.Error()})
	}
	return v
}

func (o *One) see(e event.Event) {
	if len(o.events) < mostEvents {
		o.events = append(o.events, e)
	} else {
		o.unkept++
	}
}

// config is the cluster that a scenario asks for.
func (o *One) config(c scenario.Cluster) world.Config {
	config := world.Config{
		Agents: c.Agents, DBServers: c.DBServers, Coordinators: c.Coordinators,
		LatencyLeast: c.LatencyLeast, LatencyMost: c.LatencyMost, Grace: c.Grace, ClockSkew: c.ClockSkew, Buggify: c.Buggify,
		Seed: o.Job.Seed, Program: o.Program, Log: o.Servers,
	}
	if o.Job.World != world.Bubble {
		config.Dir = filepath.Join(o.Folder, dirData)
	}
	if !c.LatencyWritten && world.Can(o.Job.World, world.Latency) != nil { // the language's default is of networks in memory
		config.LatencyLeast, config.LatencyMost = 0, 0
	}
	return config
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
