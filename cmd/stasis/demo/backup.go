package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"stasis/client"
	"stasis/cmd/stasis/show"
	"stasis/internal/wait"
	"stasis/lab/history"
	"stasis/lab/workload"
)

func (d *demo) backUpUnderLoad(ctx context.Context) error {
	d.title("A hot backup, while writers write")
	if err := d.setUp(ctx); err != nil {
		return err
	}
	writing, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- d.write(writing); stop() }()
	err := d.createAmidst(writing)
	stop()
	failure := <-failed
	if failure != nil && errors.Is(err, context.Canceled) {
		err = nil // the failure has ended the wait
	}
	if err := errors.Join(err, failure); err != nil {
		return err
	}
	d.report()
	return nil
}

// pace is the pause of a writer between two writes.
const pace = time.Millisecond

// setUp makes the writers' collections.
func (d *demo) setUp(ctx context.Context) error {
	d.history = history.New()
	for i, kind := range []string{"chain", "bank"} {
		spec := workload.Spec{Name: kind, Clients: d.opts.Writers, Shards: 2 * d.opts.Cluster.DBServers, Pace: pace, Seed: uint64(i)}
		w, err := workload.New(spec, d.history)
		if err == nil {
			err = w.Setup(ctx, d.clients)
		}
		if err != nil {
			return err
		}
		d.loads = append(d.loads, w)
	}
	return nil
}

// write lets the writers write until ctx ends.
func (d *demo) write(ctx context.Context) error {
	errs := make([]error, len(d.loads))
	var all sync.WaitGroup
	for i, w := range d.loads {
		all.Go(func() { errs[i] = w.Run(ctx, d.clients, 10*time.Second) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (d *demo) createAmidst(ctx context.Context) error {
	if wait.For(ctx, d.opts.Load/2) != nil {
		return ctx.Err() // not the cause: a signal is no context.Canceled
	}
	d.cut.Asked = d.history.Now()
	var err error
	d.backup, err = d.clients[0].Backups().Create(ctx, client.CreateRequest{Label: "demo"})
	d.cut.Returned = d.history.Now()
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if wait.For(ctx, d.opts.Load/2) != nil {
		return ctx.Err()
	}
	return nil
}

// report shows how long writers stood still.
func (d *demo) report() {
	writes, longest := 0, time.Duration(0)
	for _, o := range d.history.Ops() {
		if !o.Write() {
			continue
		}
		writes++
		if o.Outcome == history.OK && o.BeginOrder < d.cut.Returned.Order && o.EndOrder > d.cut.Asked.Order {
			longest = max(longest, o.End-o.Begin)
		}
	}
	d.blank()
	d.say("backup %s: %d files, %.1f MB on %d DB servers", d.backup.ID, d.backup.NrFiles, float64(d.backup.SizeInBytes)/1e6, d.backup.NrDBServers)
	for _, line := range show.LockReport(d.backup.LockReport) {
		d.say("%s", line)
	}
	d.say("seen by the clients: %d writes in all, the slowest during the backup took %.1f ms", writes, longest.Seconds()*1000)
}

func (d *demo) restore(ctx context.Context) error {
	d.title("Restore")
	last := d.clients[len(d.clients)-1]
	res, err := last.Backups().Restore(ctx, client.RestoreRequest{ID: d.backup.ID})
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	d.blank()
	d.say("the state before the restore is kept as %s", res.Previous)
	return nil
}
