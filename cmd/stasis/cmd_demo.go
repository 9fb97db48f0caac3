package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"stasis/agency/keys"
	"stasis/client"
	"stasis/coordinator/backup"
	"stasis/event"
	"stasis/internal/network"
	"stasis/minicluster"
	"stasis/minicluster/load"
)

type demoOptions struct {
	upOptions
	people  int
	writers int
	loadFor time.Duration
}

func demoCommand() *cobra.Command {
	o := demoOptions{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show a hot backup under load, a disaster, and the restore of one instant",
		Long: `Start a cluster, fill it, take a hot backup while writers write, destroy data,
restore, and prove that exactly the state of one instant has come back. Exits with
status 1 if any check fails. Leaves nothing behind.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return interrupted(runDemo(cmd, o)) },
	}
	f := cmd.Flags()
	f.StringVar(&o.mode, "mode", "inprocess", "run in `mode` inprocess or processes")
	f.IntVar(&o.agents, "agents", 3, "number of agents")
	f.IntVar(&o.dbservers, "dbservers", 3, "number of DB servers")
	f.IntVar(&o.coordinators, "coordinators", 2, "number of coordinators")
	f.IntVar(&o.people, "people", 10000, "number of people to load")
	f.IntVar(&o.writers, "writers", 4, "writers of each kind: inserts across shards, transfers between accounts")
	f.DurationVar(&o.loadFor, "load", 3*time.Second, "how long to write; the backup is taken in the middle")
	f.StringVar(&o.logLevel, "log-level", "error", "trace, debug, info, warn or error")
	return cmd
}

// interrupted turns an error that was only "context canceled" into words.
func interrupted(err error) error {
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted")
	}
	return err
}

// demo is one run: the cluster and what has been found out so far.
type demo struct {
	demoOptions
	out     io.Writer
	began   time.Time
	cluster *minicluster.Cluster
	clients []*client.Client // one for each coordinator
	history *load.History
	people  peopleSum
	asked   time.Duration // on the history's clock
	done    time.Duration
	backup  backup.CreateResult
}

type peopleSum struct {
	count int
	sum   string
}

func runDemo(cmd *cobra.Command, o demoOptions) (err error) {
	ctx := cmd.Context()
	d := &demo{demoOptions: o, out: cmd.OutOrStdout(), began: time.Now()}
	if o.people < 1 || o.writers < 1 || o.coordinators < 1 || o.dbservers < 1 || o.loadFor <= 0 {
		return errors.New("demo: needs at least one person, one writer, one coordinator, one DB server and some time to write")
	}
	dir, remove, err := clusterDir("", "stasis-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	opts, err := o.cluster(dir, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	d.title("A cluster")
	opts.BasePort = 0
	if opts.Mode == minicluster.InProcess { // processes report no steps
		opts.Seams.Steps = d.step
	}
	if d.cluster, err = minicluster.Start(ctx, opts); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopCluster(ctx, d.cluster)) }()
	for _, act := range []func(context.Context) error{d.meet, d.fill, d.backUpUnderLoad, d.wreck, d.restore, d.prove} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	d.title("Done")
	d.say("Every check passed, %.1f s after the start.", time.Since(d.began).Seconds())
	return nil
}

func (d *demo) title(text string) { fmt.Fprintf(d.out, "\n== %s\n", text) }

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, "   "+format+"\n", args...) }

func (d *demo) blank() { fmt.Fprintln(d.out) }

// step prints the steps of backup and restore as they happen.
func (d *demo) step(_ context.Context, e event.Event) {
	if e.Operation == keys.OperationCreate || e.Operation == keys.OperationRestore { // not what else goes on in a cluster
		d.say("%8.3f s  %s", e.At.Sub(d.began).Seconds(), e)
	}
}

func (d *demo) meet(ctx context.Context) error {
	if err := d.cluster.Ready(ctx); err != nil {
		return err
	}
	printTopology(d.out, d.cluster)
	_, _, coordinators := d.cluster.Nodes()
	for _, n := range coordinators {
		c, err := client.New(n.URL, client.Options{HTTP: network.NewHTTPClient(network.TCP())})
		if err != nil {
			return err
		}
		d.clients = append(d.clients, c)
	}
	return nil
}

// Collections of the demo, in the database of the same name.
const (
	demoDatabase = "demo"
	demoPeople   = "people"
	demoJournal  = "journal"
	demoAccounts = "accounts"
)

func (d *demo) db(i int) *client.Database {
	return d.clients[i%len(d.clients)].Database(demoDatabase)
}

func (d *demo) fill(ctx context.Context) error {
	d.title("Data")
	if err := d.clients[0].EnsureDatabase(ctx, demoDatabase); err != nil {
		return err
	}
	for _, name := range []string{demoPeople, demoJournal, demoAccounts} {
		if err := d.db(0).CreateCollection(ctx, name, 2*d.dbservers); err != nil {
			return err
		}
	}
	r, w := io.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() { w.CloseWithError(writePeople(w, d.demoOptions.people)) })
	res, err := d.db(0).Import(ctx, demoPeople, "error", r)
	r.CloseWithError(err)
	wg.Wait()
	if err != nil {
		return err
	}
	if res.Created != int64(d.demoOptions.people) {
		return fmt.Errorf("import: %d of %d people created, %d errors", res.Created, d.demoOptions.people, res.Errors)
	}
	if d.people.count, d.people.sum, err = load.Sum(ctx, d.db(1), demoPeople); err != nil {
		return err
	}
	d.say("%d people in %d shards, checksum %s", d.people.count, 2*d.dbservers, d.people.sum)
	return nil
}

func (d *demo) backUpUnderLoad(ctx context.Context) error {
	d.title("A hot backup, while writers write")
	d.history = load.NewHistory()
	var writers []load.Writer
	for i := range d.writers {
		writers = append(writers,
			load.Inserts(fmt.Sprintf("inserter%d", i+1), d.db(i), demoJournal),
			load.Transfers(fmt.Sprintf("teller%d", i+1), d.db(i+1), demoAccounts, 10, uint64(i)))
	}
	writing, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- load.Run(writing, d.history, 10*time.Second, writers...); stop() }()
	err := d.createAmidst(writing)
	stop()
	if err := errors.Join(err, <-failed); err != nil {
		return err
	}
	d.report()
	return nil
}

func (d *demo) createAmidst(ctx context.Context) error {
	wait(ctx, d.loadFor/2)
	d.asked = d.history.Now()
	err := d.clients[0].Backup(ctx, "create", map[string]any{"label": "demo"}, &d.backup)
	d.done = d.history.Now()
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	wait(ctx, d.loadFor/2)
	return nil
}

func wait(ctx context.Context, dur time.Duration) {
	t := time.NewTimer(dur)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
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
	for _, line := range lockReportLines(d.backup.LockReport) {
		d.say("%s", line)
	}
	d.say("seen by the clients: %d writes in all, the slowest during the backup took %.1f ms", writes, longest.Seconds()*1000)
}

func (d *demo) wreck(ctx context.Context) error {
	d.title("A disaster")
	if err := d.db(1).DropCollection(ctx, demoAccounts); err != nil {
		return err
	}
	if err := d.db(1).Truncate(ctx, demoPeople); err != nil {
		return err
	}
	if err := d.db(1).Put(ctx, demoJournal, map[string]any{"_key": "intruder"}); err != nil {
		return err
	}
	d.say("dropped %s, emptied %s, put an intruder into %s", demoAccounts, demoPeople, demoJournal)
	return nil
}

func (d *demo) restore(ctx context.Context) error {
	d.title("Restore")
	var res backup.RestoreResult
	last := d.clients[len(d.clients)-1]
	if err := last.Backup(ctx, "restore", map[string]any{"id": d.backup.ID}, &res); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	d.blank()
	d.say("the state before the restore is kept as %s", res.Previous)
	return nil
}

func (d *demo) prove(ctx context.Context) error {
	d.title("Proof")
	count, sum, err := load.Sum(ctx, d.db(0), demoPeople)
	if err != nil {
		return err
	}
	if count != d.people.count || sum != d.people.sum {
		return fmt.Errorf("people: %d with checksum %s, before the backup %d with %s", count, sum, d.people.count, d.people.sum)
	}
	d.say("people: %d, checksum %s: as before the backup", count, sum)
	state, err := load.Read(ctx, d.db(0), demoJournal, demoAccounts)
	if err != nil {
		return err
	}
	v, err := load.Check(d.history.Chains(), state, d.asked, d.done)
	if err != nil {
		return fmt.Errorf("the restored state is wrong: %w", err)
	}
	d.say("writes: %d are there and %d are not, in %d chains of which none has a hole", v.Present, v.Absent, v.Chains)
	d.say("all that was acknowledged before create was called is there, nothing that was begun after it returned")
	d.say("it is the state of one instant, between %.3f ms and %.3f ms after create was called (which took %.1f ms)",
		ms(v.Earliest-d.asked), ms(v.Latest-d.asked), ms(d.done-d.asked))
	return d.checkVerify(ctx)
}

// checkVerify lets the servers read every file of the backup once more.
func (d *demo) checkVerify(ctx context.Context) error {
	var res backup.VerifyResult
	if err := d.clients[0].Backup(ctx, "verify", map[string]any{"id": d.backup.ID}, &res); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	d.say("verify: certificate and every file of the backup are intact")
	return nil
}

func ms(dur time.Duration) float64 { return dur.Seconds() * 1000 }
