package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
	"stasis/cmd/stasis/show"
	"stasis/internal/wait"
)

type restoreOptions struct {
	request  client.RestoreRequest
	maxWait  float64
	deadline float64
	steps    bool
	keys     flags.Keys
}

func backupRestoreCommand(b *flags.Backup) *cobra.Command {
	o := restoreOptions{}
	cmd := &cobra.Command{
		Use:   "restore --identifier ID",
		Short: "Bring the whole deployment back to a backup: all or nothing",
		Args:  flags.NoArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return o.run(cmd, b) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.request.IgnoreVersion, "ignore-version", false, "also restore a backup that another version of the program took")
	f.Float64Var(&o.maxWait, "max-wait-for-restart", 0, "how many `seconds` to wait afterwards until the server serves again; 0: do not wait")
	f.Float64Var(&o.deadline, "deadline", 0, "`seconds` after which the restore is given up unless it is committed (default: none)")
	f.BoolVar(&o.steps, "steps", false, "show the steps as they happen")
	addIdentifier(cmd, &o.request.ID)
	o.keys.Add(cmd, "restore only a backup that it has signed")
	return cmd
}

func (o restoreOptions) run(cmd *cobra.Command, b *flags.Backup) error {
	if !(o.maxWait >= 0) {
		return errors.New("--max-wait-for-restart must not be negative")
	}
	if cmd.Flags().Changed("deadline") && !(o.deadline > 0) {
		return errNoDeadline
	}
	o.request.Deadline = flags.Seconds(o.deadline)
	var err error
	if o.request.Keys, err = o.keys.Read(); err != nil {
		return err
	}
	c, err := beginBackup(cmd, b, "restore")
	if err != nil {
		return err
	}
	c.changes = true
	stop := c.followSteps(stepFilter{operation: client.OperationRestore, id: o.request.ID, all: o.steps})
	res, err := c.backups().Restore(cmd.Context(), o.request)
	stop()
	err = c.end(err, res, func(r show.Report) {
		show.Restored(r, o.request.ID, res)
	})
	if err != nil || o.maxWait == 0 {
		return err
	}
	return c.waitAvailable(flags.Seconds(o.maxWait))
}

// availablePause is the pause between two questions whether the coordinator serves.
const availablePause = 200 * time.Millisecond

// waitAvailable waits until the coordinator says that it serves. limit also bounds the wait for an
// answer.
func (c *backupCall) waitAvailable(limit time.Duration) error {
	ctx, cancel := context.WithTimeout(c.cmd.Context(), limit)
	defer cancel()
	for {
		err := c.client.Available(ctx)
		if err == nil {
			return nil
		}
		if wait.For(ctx, availablePause) != nil {
			return fmt.Errorf("restored, but the server does not serve after %v: %w", limit, err)
		}
	}
}
