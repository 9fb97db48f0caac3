package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"stasis/client"
	"stasis/cmd/stasis/flags"
	"stasis/cmd/stasis/progress"
	"stasis/internal/network"
	"stasis/lab/history"
	"stasis/lab/workload"
)

// loadOptions say what clients do, and for how long.
type loadOptions struct {
	coordinator flags.Coordinator
	spec        workload.Spec
	duration    time.Duration
	history     string
	export      string
}

func loadCommand() *cobra.Command {
	var o loadOptions
	cmd := &cobra.Command{
		Use:   "load WORKLOAD",
		Short: "Put a cluster under load, and record what clients did and saw",
		Long: `Put a cluster under load, and record what clients did and saw, until Ctrl-C or for
a time. "stasis check" judges the cluster, or a backup, by that record. Break the cluster
meanwhile: "stasis node", "stasis net" and "stasis disk".

` + workloadTable() + `
The clients use all coordinators of the cluster, and collections of their own, lab-….
These stay; a later load makes others. Every request is in the history before it is
sent, so the history holds whatever becomes of this process.

` + exportHelp,
		Args: flags.Arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.spec.Name = args[0]
			if err := o.check(cmd.Flags()); err != nil {
				return err
			}
			return o.coordinator.Run(func(cmd *cobra.Command, c *client.Client, _ []string) error {
				return o.run(cmd, c)
			})(cmd, args)
		},
	}
	o.coordinator.Add(cmd)
	f := cmd.Flags()
	f.IntVar(&o.spec.Clients, "clients", 0, "`number` of clients (default: that of the workload)")
	f.IntVar(&o.spec.Accounts, "accounts", 0, "bank: `number` of accounts (default: that of the workload)")
	f.IntVar(&o.spec.Keys, "keys", 0, "`number` of keys; schema: of collections that each client keeps (default: that of the workload)")
	f.IntVar(&o.spec.Shards, "shards", 0, "`number` of shards of a collection (default: that of the workload)")
	f.IntVar(&o.spec.Replication, "replication", 0, "`number` of DB servers that each shard is on (default: 2, or as many as there are)")
	f.IntVar(&o.spec.WriteConcern, "write-concern", 0, "`number` of replicas that must be in sync for writes (default 1)")
	f.BoolVar(&o.spec.WaitForSync, "wait-for-sync", false, "sync each write to disk before it is acknowledged")
	f.DurationVar(&o.spec.Pace, "pace", 0, "`time` between two operations of a client, half as long up to half as much again (default: that of the workload)")
	f.Float64Var(&o.spec.Skew, "skew", 0, "of the choice of keys: 0 is uniform, otherwise the `exponent` of a Zipf distribution")
	f.Uint64Var(&o.spec.Seed, "seed", 0, "`number` that the choices of keys and amounts follow from")
	f.DurationVar(&o.duration, "duration", 0, "`time` to go on; 0: until Ctrl-C")
	f.StringVar(&o.history, "history", "", "new `file` for the record (default: WORKLOAD.history)")
	f.StringVar(&o.export, "export", "", "new `file` for elle-cli, which ends with .edn or .json: the history, when the load has ended")
	return cmd
}

// workloadTable describes the workloads for the help.
func workloadTable() string {
	var b strings.Builder
	for _, w := range workload.List() {
		d := w.Defaults
		settings := []string{fmt.Sprintf("--clients %d", d.Clients)}
		if d.Accounts > 0 {
			settings = append(settings, fmt.Sprintf("--accounts %d", d.Accounts))
		}
		if d.Keys > 0 {
			settings = append(settings, fmt.Sprintf("--keys %d", d.Keys))
		}
		settings = append(settings, fmt.Sprintf("--shards %d", d.Shards), fmt.Sprintf("--pace %v", d.Pace))
		fmt.Fprintf(&b, "  %s (%s)\n%s", w.Name, strings.Join(settings, " "), wrapped(w.Text, "    ", 84))
	}
	return b.String()
}

// wrapped breaks a text into lines.
func wrapped(text, indent string, width int) string {
	var b strings.Builder
	line := indent
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > width {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = indent
		}
		line += word + " "
	}
	return b.String() + strings.TrimRight(line, " ") + "\n"
}

// givenZero is a flag that was given as zero, which would mean the default.
func givenZero(f *pflag.FlagSet, names ...string) error {
	for _, name := range names {
		if v := f.Lookup(name).Value.String(); f.Changed(name) && (v == "0" || v == "0s") {
			return fmt.Errorf("--%s %s: want more than 0, or leave it out", name, v)
		}
	}
	return nil
}

// check refuses what cannot be before anything is done.
func (o *loadOptions) check(f *pflag.FlagSet) error {
	if err := givenZero(f, "clients", "accounts", "keys", "shards", "replication", "write-concern", "pace"); err != nil {
		return err
	}
	if _, err := workload.New(o.spec, history.New()); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if o.duration < 0 {
		return fmt.Errorf("--duration %v: want a time above 0, or 0 to go on until Ctrl-C", o.duration)
	}
	if o.history == "" {
		o.history = o.spec.Name + ".history"
	}
	if o.export != "" {
		return workload.ExportTo(o.export)
	}
	return nil
}

func (o *loadOptions) run(cmd *cobra.Command, c *client.Client) (err error) {
	ctx := cmd.Context()
	clients, err := o.clients(ctx, c)
	if err != nil {
		return interrupted(ctx, err)
	}
	file, err := createHistory(o.history)
	if err != nil {
		return err
	}
	h := history.Open(history.Options{Stream: file, Forget: true})
	defer func() {
		err = errors.Join(err, h.Flush(), file.Close())
		if h.Tally().Begun == 0 {
			err = errors.Join(err, os.Remove(o.history)) // there is nothing to check
		}
	}()
	w, err := workload.New(o.spec, h)
	if err != nil {
		return err
	}
	if err := w.Setup(ctx, clients); err != nil {
		return interrupted(ctx, err)
	}
	s := w.Spec()
	fmt.Fprintf(cmd.OutOrStdout(), "load %s: %d clients at %d coordinators, a pause of %v between operations; Ctrl-C ends it\n", s.Name, s.Clients, len(clients), s.Pace)
	if err := o.live(ctx, w, clients, progress.NewLine(cmd.ErrOrStderr()), h); err != nil {
		return err
	}
	o.report(cmd.OutOrStdout(), h)
	if o.export == "" {
		return nil
	}
	if err := h.Flush(); err != nil {
		return err
	}
	written, err := parseHistory(o.history)
	if err != nil {
		return err
	}
	return exportHistory(cmd.OutOrStdout(), written, o.export)
}

// clients are a client of each coordinator.
func (o *loadOptions) clients(ctx context.Context, first *client.Client) ([]*client.Client, error) {
	status, err := first.Status(ctx)
	if err != nil {
		return nil, err
	}
	var all []*client.Client
	for _, id := range slices.Sorted(maps.Keys(status.Coordinators)) {
		opts := client.Options{HTTP: network.NewHTTPClient(network.TCP()), Username: o.coordinator.Username, Password: o.coordinator.Password}
		c, err := client.New(status.Coordinators[id].Endpoint, opts)
		if err != nil {
			return nil, fmt.Errorf("coordinator %s: %w", id, err)
		}
		all = append(all, c)
	}
	return all, nil
}

// createHistory makes a file that is not there.
func createHistory(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("the history %s is there: check it with \"stasis check %s\" and remove it, or name another file with --history", path, path)
	}
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	return file, lockHistory(file)
}

// finish is how long clients may take at the end for what they have begun.
const finish = 10 * time.Second

// live lets the clients work, and says how far they are.
func (o *loadOptions) live(ctx context.Context, w workload.Workload, clients []*client.Client, line *progress.Line, h *history.History) error {
	defer line.Close()
	if o.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.duration)
		defer cancel()
	}
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx, clients, finish) }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for begun := time.Now(); ; {
		select {
		case err := <-ended:
			return err
		case <-tick.C:
			line.Show(fmt.Sprintf("%v: %s", time.Since(begun).Round(time.Second), counted(h.Tally())))
		}
	}
}

// counted is a tally in words.
func counted(t history.Tally) string {
	return fmt.Sprintf("%d operations: %d acknowledged, %d refused, %d of unknown outcome; the slowest write took %v",
		t.Begun, t.OK, t.Fail, t.Info+t.Open(), t.Longest.Round(100*time.Microsecond))
}

func (o *loadOptions) report(out io.Writer, h *history.History) {
	fmt.Fprintf(out, "%s\n\"stasis check %s\" judges the cluster, with --backup ID a backup\n", counted(h.Tally()), o.history)
}
