package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stasis/client"
	"stasis/cmd/stasis/show"
	"stasis/internal/wait"
	"stasis/minicluster/load"
)

func (d *demo) backUpUnderLoad(ctx context.Context) error {
	d.title("A hot backup, while writers write")
	d.history = load.NewHistory()
	var writers []load.Writer
	for i := range d.opts.Writers {
		writers = append(writers,
			load.Inserts(fmt.Sprintf("inserter%d", i+1), d.db(i), journal),
			load.Transfers(fmt.Sprintf("teller%d", i+1), d.db(i+1), accounts, 10, uint64(i)))
	}
	writing, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- load.Run(writing, d.history, 10*time.Second, writers...); stop() }()
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

func (d *demo) createAmidst(ctx context.Context) error {
	if wait.For(ctx, d.opts.Load/2) != nil {
		return ctx.Err() // not the cause: a signal is no context.Canceled
	}
	d.asked = d.history.Now()
	var err error
	d.backup, err = d.clients[0].Backups().Create(ctx, client.CreateRequest{Label: "demo"})
	d.done = d.history.Now()
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
	for _, c := range d.history.Chains() {
		for _, op := range c.Ops {
			writes++
			if op.Acked && op.Begin < d.done && op.End > d.asked {
				longest = max(longest, op.End-op.Begin)
			}
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
