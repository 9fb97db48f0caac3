package main

import (
	"context"
	"strings"
	"sync"
	"time"

	"stasis/client"
	"stasis/cmd/stasis/show"
	"stasis/event"
)

// stepFilter says which steps of the coordinator's to show.
type stepFilter struct {
	operation string // of the steps
	id        string // of the backup, or its end: the label, if one was given
	all       bool   // all steps, not only that the operation waits for another one
}

func (f stepFilter) shows(e event.Event) bool {
	return e.Operation == f.operation && strings.HasSuffix(e.ID, f.id) && (f.all || e.Step == event.AgencyWaiting)
}

// stepFollower shows the steps of an operation while it runs. The coordinator may run others
// at the same time. Steps are a comfort: if they cannot be read the follower says so, and
// the operation goes on.
//
// The coordinator keeps its newest steps in order, and the stream begins with the newest one
// there is. The follower asks for the newest step once before the operation, and shows what
// comes after it; and once after the operation, and ends when it has seen that one. So no
// step is lost if the answer to the operation overtakes the stream.
type stepFollower struct {
	filter stepFilter
	report show.Report
	client *client.Client
	began  time.Time
	ready  chan struct{} // closed when before is known
	ended  chan struct{} // closed when the stream has ended
	before *event.Event  // the newest step before the operation; nil: none

	mu      sync.Mutex
	shows   bool // before has been seen
	newest  *event.Event
	changed chan struct{} // closed when newest changes
}

// lastSteps is how long the last steps are waited for after the operation.
const lastSteps = 5 * time.Second

// followSteps shows the steps of the operation that is about to begin, until stop.
func (c *backupCall) followSteps(filter stepFilter) (stop func()) {
	r := c.report
	if filter.all && c.flags.JSON {
		r.Level = show.ParseLevel(c.flags.LogLevel)
	}
	f := &stepFollower{
		filter: filter, report: r, client: c.client, began: time.Now(),
		ready: make(chan struct{}), ended: make(chan struct{}), changed: make(chan struct{}),
	}
	ctx, cancel := context.WithCancel(c.cmd.Context())
	opened := make(chan struct{})
	go f.run(ctx, opened)
	select { // not to miss the first ones
	case <-opened:
		f.before = f.last(ctx)
	case <-f.ended:
	}
	f.shows = f.before == nil
	close(f.ready)
	return func() {
		f.await(ctx, f.last(ctx))
		cancel()
		<-f.ended
	}
}

func (f *stepFollower) run(ctx context.Context, opened chan struct{}) {
	defer close(f.ended)
	err := f.client.Steps(ctx, client.Follow{Last: 1, New: true, Opened: func() { close(opened) }}, func(e event.Event) error {
		<-f.ready
		f.saw(e)
		return nil
	})
	if err != nil && ctx.Err() == nil {
		f.report.Warn("following the steps: %v", err)
	}
}

func (f *stepFollower) saw(e event.Event) {
	f.mu.Lock()
	shows := f.shows && f.filter.shows(e)
	f.shows = f.shows || same(e, *f.before)
	f.newest = &e
	close(f.changed)
	f.changed = make(chan struct{})
	f.mu.Unlock()
	if shows {
		f.report.Info(show.Progress, "%7.3f s  %s", time.Since(f.began).Seconds(), e)
	}
}

// last is the newest step that the coordinator has; nil: none, or it cannot be read.
func (f *stepFollower) last(ctx context.Context) (newest *event.Event) {
	ctx, cancel := context.WithTimeout(ctx, lastSteps)
	defer cancel()
	err := f.client.Steps(ctx, client.Follow{Last: 1}, func(e event.Event) error {
		newest = &e
		return nil
	})
	if err != nil && ctx.Err() == nil {
		f.report.Warn("reading the last step: %v", err)
	}
	return newest
}

// await returns when the stream has delivered a step.
func (f *stepFollower) await(ctx context.Context, step *event.Event) {
	if step == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lastSteps)
	defer cancel()
	for {
		f.mu.Lock()
		newest, changed := f.newest, f.changed
		f.mu.Unlock()
		if newest != nil && (same(*newest, *step) || newest.At.After(step.At)) {
			return
		}
		select {
		case <-changed:
		case <-f.ended:
			return
		case <-ctx.Done():
			return
		}
	}
}

// same says whether two answers have the same step.
func same(a, b event.Event) bool {
	at := a.At.Equal(b.At)
	a.At, b.At = time.Time{}, time.Time{}
	return at && a == b
}
