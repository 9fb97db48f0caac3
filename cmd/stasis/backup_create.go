package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"stasis/agency/keys"
	"stasis/client"
	"stasis/coordinator/backup"
	"stasis/event"
	"stasis/internal/apierror"
)

type createOptions struct {
	label             string
	maxWaitForLock    float64
	allowInconsistent bool
	force             bool
	lockWait          float64
	lockGrowth        float64
	deadline          float64
	steps             bool
}

func backupCreateCommand(o *serverOptions) *cobra.Command {
	c := createOptions{}
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Take a hot backup of the whole deployment at one instant",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return c.run(cmd, o) },
	}
	f := cmd.Flags()
	f.StringVar(&c.label, "label", "", "what the identifier ends with: letters, digits and . _ - (default: a random one)")
	f.Float64Var(&c.maxWaitForLock, "max-wait-for-lock", 60, "`seconds` to try for the lock that stops all writes at once; less than 2.5 counts as 2.5")
	f.BoolVar(&c.allowInconsistent, "allow-inconsistent", false, "if the lock is not had within --max-wait-for-lock, go on without it; the backup is marked for ever")
	f.BoolVar(&c.force, "force", false, "if the lock is not had within --max-wait-for-lock, try for as long once more")
	f.Float64Var(&c.lockWait, "lock-wait", backup.DefaultLockWait.Seconds(), "first window: `seconds` that the first attempt waits")
	f.Float64Var(&c.lockGrowth, "lock-growth", backup.DefaultLockGrowth, "each attempt's window is so many times the one before")
	f.Float64Var(&c.deadline, "deadline", 0, "`seconds` after which the backup is given up, whatever it is doing (default: none, it takes as long as every DB server makes progress)")
	f.BoolVar(&c.steps, "steps", false, "show the steps as they happen")
	return cmd
}

var errNoDeadline = errors.New("--deadline must be positive")

var labelPattern = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)

func (c createOptions) run(cmd *cobra.Command, o *serverOptions) error {
	switch {
	case cmd.Flags().Changed("label") && !labelPattern.MatchString(c.label):
		return fmt.Errorf("--label %q: only letters, digits and . _ - are allowed", c.label)
	case c.maxWaitForLock < 0:
		return errors.New("--max-wait-for-lock must not be negative")
	case cmd.Flags().Changed("deadline") && c.deadline <= 0:
		return errNoDeadline
	}
	request := map[string]any{
		"timeout": c.maxWaitForLock, "allowInconsistent": c.allowInconsistent, "force": c.force,
		"lockWait": c.lockWait, "lockGrowth": c.lockGrowth,
	}
	if c.label != "" {
		request["label"] = c.label
	}
	if c.deadline != 0 {
		request["deadline"] = c.deadline
	}
	var res backup.CreateResult
	return o.call(cmd, "create", request, &res, callOptions{locks: true, steps: c.steps, operation: keys.OperationCreate, id: c.label}, func(r report) {
		if res.PotentiallyInconsistent {
			r.line(levelWarning, idWarning, "Failed to get write lock before proceeding with backup. Backup may contain some inconsistencies.")
		}
		for _, server := range res.Unpublished {
			r.line(levelWarning, idWarning, "%s has not published its piece yet and will do so by itself", server)
		}
		r.info(idResult, "Backup succeeded. Generated identifier '%s'", res.ID)
		r.info(idResult, "Total size of backup: %d, number of files: %d", res.SizeInBytes, res.NrFiles)
		for _, line := range lockReportLines(res.LockReport) {
			r.info(idProgress, "%s", line)
		}
	})
}

// callOptions say what more a call shows.
type callOptions struct {
	locks bool // it takes the agency lock: say when it waits for another holder
	steps bool // all steps

	operation string // of the steps
	id        string // of the backup, or its end: the label, if one was given
}

// ours says whether a step is of this operation, as far as can be told.
func (o callOptions) ours(e event.Event) bool {
	return e.Operation == o.operation && strings.HasSuffix(e.ID, o.id)
}

// explain says in words what an error without an answer means.
func (o *serverOptions) explain(ctx context.Context, command string, err error) error {
	var answer *apierror.Error
	changes := command == "create" || command == "restore" || command == "delete"
	switch {
	case ctx.Err() != nil && changes:
		return errors.New("interrupted; what was not committed yet is taken back, see 'stasis backup list' and 'stasis status' for what became of it")
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case errors.As(err, &answer) || errors.Is(err, syscall.ECONNREFUSED) || !changes:
		return err
	}
	return fmt.Errorf("the answer was lost, so it is not known here whether it happened; see 'stasis backup list' and 'stasis status': %w", err)
}

// call runs one backup command on the server and shows what came of it.
func (o *serverOptions) call(cmd *cobra.Command, command string, request, result any, more callOptions, show func(report)) error {
	ctx, r := cmd.Context(), newReport(cmd, o)
	c, err := o.client()
	if err != nil {
		return err
	}
	version, err := c.Version(ctx)
	if err != nil {
		return r.failed(command, err)
	}
	r.info(idVersion, "Server version: %s", version)
	if more.locks {
		r.quiet = r.quiet && !more.steps
		stop := followSteps(ctx, c, r, more)
		defer stop()
	}
	if err := c.Backup(ctx, command, request, result); err != nil {
		err = o.explain(ctx, command, err)
		if o.json {
			return errors.Join(printJSON(cmd.OutOrStdout(), apierror.From(err)), fmt.Errorf("%w: %w", errReported, err))
		}
		return r.failed(command, err)
	}
	if o.json {
		return printJSON(cmd.OutOrStdout(), result)
	}
	show(r)
	return nil
}

// followSteps shows the steps of this operation until stopped: all, or only that it
// waits for somebody else. The coordinator may have others under way. They are a comfort: that they cannot be had is said and
// does no harm.
func followSteps(ctx context.Context, c *client.Client, r report, more callOptions) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	begin := time.Now()
	opened, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		err := c.Stream(ctx, client.PathSteps+"?follow=true&last=0", func() { close(opened) }, func(raw json.RawMessage) error {
			var e event.Event
			if err := json.Unmarshal(raw, &e); err != nil {
				return err
			}
			if more.ours(e) && (more.steps || e.Step == event.AgencyWaiting) {
				r.info(idProgress, "%7.3f s  %s", time.Since(begin).Seconds(), e)
			}
			return nil
		})
		if err != nil && ctx.Err() == nil {
			r.line(levelWarning, idWarning, "following the steps: %v", err)
		}
	}()
	select { // not to miss the first ones
	case <-opened:
	case <-ended:
	}
	return func() { cancel(); <-ended }
}
