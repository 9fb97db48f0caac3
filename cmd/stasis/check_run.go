package main

import (
	"context"
	"errors"
	"fmt"
	"io"
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

The exit status is 0 if all holds, 1 if something is violated, and 2 if that is not
known: the cluster or the backup could not be read, the history is none, or an answer
was not found within bounds.`,
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
	f.BoolVar(&o.json, "json", false, "print as JSON")
	return cmd
}

// checked is what was found of one workload.
type checked struct {
	Workload string        `json:"workload"`
	Problems []string      `json:"problems"`
	Present  int           `json:"present"`
	Absent   int           `json:"absent"`
	Unknown  int           `json:"unknown"`
	Earliest time.Duration `json:"earliest"` // bounds of the instant, since the history began, in nanoseconds
	Latest   time.Duration `json:"latest"`
}

// subject is what is judged.
type subject struct {
	name  string
	judge func(context.Context, workload.Workload) (workload.Findings, error)
}

func (o *checkOptions) run(cmd *cobra.Command, path string) error {
	all, err := o.judge(cmd, path)
	if err != nil {
		return unknown(interrupted(cmd.Context(), err))
	}
	violated := false
	for _, c := range all {
		violated = violated || len(c.Problems) > 0
	}
	if o.json {
		if err := printJSON(cmd.OutOrStdout(), all); err != nil {
			return unknown(err)
		}
	}
	if violated {
		return errors.New("check: violated")
	}
	return nil
}

// judge judges what the options name by all workloads of a history.
func (o *checkOptions) judge(cmd *cobra.Command, path string) (_ []checked, err error) {
	ctx := cmd.Context()
	if o.backup == "" && o.dir != "" {
		return nil, errors.New("check: --dir without --backup: the directory is that of a backup's pieces")
	}
	if o.clockError < 0 {
		return nil, fmt.Errorf("--clock-error %v: want a time of 0 or more", o.clockError)
	}
	h, err := o.parse(path)
	if err != nil {
		return nil, err
	}
	loads, err := workload.Recorded(h)
	if err != nil {
		return nil, fmt.Errorf("history %s: %w", path, err)
	}
	if len(loads) == 0 {
		return nil, fmt.Errorf("history %s: it has no workload: the load ended before it had made its collection", path)
	}
	s, end, err := o.subject(ctx, h)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	var all []checked
	for _, w := range loads {
		f, err := s.judge(ctx, w)
		if err != nil {
			return nil, err
		}
		all = append(all, checked{w.Spec().Name, append([]string{}, f.Problems...), f.Present, f.Absent, f.Unknown, f.Earliest, f.Latest})
		if !o.json {
			showFindings(cmd.OutOrStdout(), s.name, w.Spec().Name, f)
		}
	}
	return all, nil
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
	h, err := history.Parse(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
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

func showFindings(out io.Writer, subject, name string, f workload.Findings) {
	for _, p := range f.Problems {
		fmt.Fprintf(out, "VIOLATED %s: %s\n", name, p)
	}
	fmt.Fprintf(out, "%s, by the history of %s: %d writes are there, %d are not; the outcome of %d was not known to clients\n", subject, name, f.Present, f.Absent, f.Unknown)
	if len(f.Problems) == 0 {
		fmt.Fprintf(out, "it is the state of one instant, between %v and %v of the history\n", f.Earliest.Round(time.Microsecond), f.Latest.Round(time.Microsecond))
	}
}
