package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
	"stasis/lab/history"
	"stasis/lab/reader"
	"stasis/lab/workload"
)

// checkOptions say what is judged.
type checkOptions struct {
	coordinator flags.Coordinator
	backup, dir string
	clockError  time.Duration
	export      string
	json        bool
}

func checkCommand() *cobra.Command {
	o := checkOptions{}
	cmd := &cobra.Command{
		Use:   "check HISTORY",
		Short: "Judge a running cluster, or a backup, by what \"stasis load\" has recorded",
		Long: `Judge a running cluster, or a backup, by what "stasis load" has recorded.

The cluster has to be at rest, healed, and in no earlier state that a restore brought
back: nothing that was acknowledged may be missing, and what clients saw has to make
sense. A backup has to be the state of one instant: all that was acknowledged before is
in it, nothing that was begun after it, and no effect without its cause. It is opened
read-only from its files, and the load may go on meanwhile.

The exit status is 0 if all holds, and 1 if something is violated, whatever else is not
known. It is 2 if nothing is violated and something is not known: the cluster or the
backup could not be read, the history is none, or an answer was not found within bounds.

` + exportHelp,
		Args: func(cmd *cobra.Command, args []string) error {
			return unknown(flags.Arguments(cobra.ExactArgs(1))(cmd, args))
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return unknown(flags.Error(cmd, err)) })
	o.coordinator.Add(cmd)
	f := cmd.Flags()
	f.StringVar(&o.backup, "backup", "", "`id` of a backup, which is judged instead of the cluster")
	f.StringVar(&o.dir, "dir", "", "`directory` with the pieces of the backup (default: that of the only \"stasis up\" that runs as this user)")
	f.DurationVar(&o.clockError, "clock-error", 5*time.Second, "`time` by which the clocks of the load and of the coordinator that took the backup differ at most. What was acknowledged that much before the backup was asked for has to be in it")
	f.StringVar(&o.export, "export", "", "new `file` for elle-cli, which ends with .edn or .json: the history, before it is judged")
	f.BoolVar(&o.json, "json", false, "print as JSON")
	return cmd
}

func (o *checkOptions) run(cmd *cobra.Command, path string) error {
	loads, h, err := o.recorded(path)
	if err != nil {
		return unknown(err)
	}
	out := cmd.OutOrStdout()
	if o.json {
		out = cmd.ErrOrStderr() // of what is not the answer
	}
	r := report{}
	if o.export != "" {
		r.also(exportHistory(out, h, o.export))
	}
	s, end, err := o.subject(cmd.Context(), h)
	if err != nil {
		r.also(err)
		return r.end(cmd.Context())
	}
	for _, w := range loads {
		c := judged(cmd.Context(), w, s)
		if !o.json {
			c.show(out, s.name)
		}
		r.all = append(r.all, c)
	}
	r.also(end())
	if o.json {
		r.also(printJSON(cmd.OutOrStdout(), r.all))
	}
	return r.end(cmd.Context())
}

// recorded are the workloads of a history.
func (o *checkOptions) recorded(path string) ([]workload.Workload, *history.History, error) {
	if o.backup == "" && o.dir != "" {
		return nil, nil, errors.New("check: --dir without --backup: the directory is that of a backup's pieces")
	}
	if o.clockError < 0 {
		return nil, nil, fmt.Errorf("--clock-error %v: want a time of 0 or more", o.clockError)
	}
	if o.export != "" {
		if err := workload.ExportTo(o.export); err != nil {
			return nil, nil, err
		}
	}
	h, err := o.parse(path)
	if err != nil {
		return nil, nil, err
	}
	loads, err := workload.Recorded(h)
	if err != nil {
		return nil, nil, fmt.Errorf("history %s: %w", path, err)
	}
	if len(loads) == 0 {
		return nil, nil, fmt.Errorf("history %s: it has no workload: the load ended before it had made its collection", path)
	}
	return loads, h, nil
}

// parse reads the history. One that is being written is enough for a backup alone.
func (o *checkOptions) parse(path string) (*history.History, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	defer file.Close()
	if o.backup == "" && written(file) {
		return nil, fmt.Errorf("history %s: a load still writes it, and the cluster is judged at rest: end the load, or name a backup with --backup", path)
	}
	return readHistory(file)
}

// subject opens what is judged. end closes it.
func (o *checkOptions) subject(ctx context.Context, h *history.History) (s subject, end func() error, err error) {
	if o.backup != "" {
		return o.ofBackup(ctx, h)
	}
	s.name = "the cluster"
	s.judge = func(ctx context.Context, w workload.Workload) (f workload.Findings, err error) {
		err = o.coordinator.Run(func(_ *cobra.Command, c *client.Client, _ []string) error {
			f, err = w.CheckEnd(ctx, c)
			return err
		})(nil, nil)
		return f, err
	}
	return s, func() error { return nil }, nil
}

func (o *checkOptions) ofBackup(ctx context.Context, h *history.History) (s subject, end func() error, err error) {
	dir := o.dir
	if dir == "" {
		if dir, err = chooseCluster(ctx); err != nil {
			return s, nil, err
		}
	}
	found, err := findPieces(dir, o.backup)
	if err != nil {
		return s, nil, err
	}
	var pieces []reader.Piece
	for _, folder := range found[o.backup] {
		pieces = append(pieces, reader.Piece{FS: vfs.Default, Dir: folder})
	}
	if len(pieces) == 0 {
		return s, nil, fmt.Errorf("check: no piece of %s in %s", o.backup, dir)
	}
	r, err := reader.Open(ctx, o.backup, pieces)
	if err != nil {
		return s, nil, fmt.Errorf("check: the backup cannot be read, so nothing is known of what is in it: %w", err)
	}
	cut, err := o.cut(h, r.Certificate().DateTime)
	if err != nil {
		return s, nil, errors.Join(err, r.Close())
	}
	s.name = "backup " + o.backup
	s.judge = func(ctx context.Context, w workload.Workload) (workload.Findings, error) {
		return w.CheckCut(ctx, r.Client(), cut)
	}
	return s, r.Close, nil
}

// cut says what the time of a backup says about its instant: it is no earlier. A backup has whole seconds, rounded down.
func (o *checkOptions) cut(h *history.History, made string) (workload.Cut, error) {
	at, err := time.Parse(time.RFC3339, made)
	if err != nil {
		return workload.Cut{}, fmt.Errorf("check: when the backup was taken is not known, as it has no certificate: %w", err)
	}
	return workload.Cut{Asked: h.Last(at.Add(-o.clockError))}, nil
}
