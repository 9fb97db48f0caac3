package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
	"stasis/cmd/stasis/show"
)

type createOptions struct {
	label             string
	maxWaitForLock    float64
	allowInconsistent bool
	force             bool
	lockWait          float64
	lockGrowth        float64
	deadline          float64
	lockMode          string
	steps             bool
}

func backupCreateCommand(b *flags.Backup) *cobra.Command {
	o := createOptions{}
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Take a hot backup of the whole deployment at one instant",
		Args:  flags.NoArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return o.run(cmd, b) },
	}
	f := cmd.Flags()
	f.StringVar(&o.label, "label", "", "`label`, the end of the identifier: letters, digits and . _ - (default: a random one)")
	f.Float64Var(&o.maxWaitForLock, "max-wait-for-lock", 60, "how many `seconds` to try to stop all writes at the same time; less than 2.5 counts as 2.5")
	f.BoolVar(&o.allowInconsistent, "allow-inconsistent", false, "if the lock cannot be acquired within --max-wait-for-lock, go on without it; the backup stays marked as potentially inconsistent")
	f.BoolVar(&o.force, "force", false, "if the lock cannot be acquired within --max-wait-for-lock, try for the same time again, and abort the stream transactions that are open")
	f.StringVar(&o.lockMode, "lock-mode", string(client.LockModeTransactions), "for which writers the backup waits: `mode` transactions (until no write transaction is open), commits (until none is committing), or none (it holds up no writer, to show what the lock is for; needs --allow-inconsistent)")
	f.Float64Var(&o.lockWait, "lock-wait", client.DefaultLockWait.Seconds(), "how many `seconds` the first attempt to stop all writes waits")
	f.Float64Var(&o.lockGrowth, "lock-growth", client.DefaultLockGrowth, "`factor` by which each attempt waits longer than the one before, 1 to 100")
	f.Float64Var(&o.deadline, "deadline", 0, "`seconds` after which the backup is given up unless it is committed (default: none; the backup takes as long as every DB server makes progress)")
	f.BoolVar(&o.steps, "steps", false, "show the steps as they happen")
	return cmd
}

var (
	errNoDeadline = errors.New("--deadline must be positive")
	errNoConsent  = errors.New("--lock-mode none holds up no writer, so the backup may be torn and stays marked as potentially inconsistent: it needs --allow-inconsistent")
)

// leastWaitForLock is what a shorter --max-wait-for-lock counts as.
const leastWaitForLock = 2500 * time.Millisecond

// request is an error if the server would refuse it.
func (o createOptions) request(cmd *cobra.Command) (client.CreateRequest, error) {
	if cmd.Flags().Changed("label") {
		if err := client.CheckLabel(o.label); err != nil {
			return client.CreateRequest{}, fmt.Errorf("--%w", err) // it says: label "x": want …
		}
	}
	switch {
	case !(o.maxWaitForLock >= 0):
		return client.CreateRequest{}, errors.New("--max-wait-for-lock must not be negative")
	case !(o.lockWait > 0):
		return client.CreateRequest{}, errors.New("--lock-wait must be positive")
	case !(o.lockGrowth >= 1 && o.lockGrowth <= 100):
		return client.CreateRequest{}, errors.New("--lock-growth must be between 1 and 100")
	case cmd.Flags().Changed("deadline") && !(o.deadline > 0):
		return client.CreateRequest{}, errNoDeadline
	}
	mode := client.LockMode(o.lockMode)
	if err := mode.Check(); err != nil {
		return client.CreateRequest{}, fmt.Errorf("--lock-mode: %w", err)
	}
	if mode == client.LockModeNone && !o.allowInconsistent {
		return client.CreateRequest{}, errNoConsent
	}
	return client.CreateRequest{
		LockMode: mode, Label: o.label, Timeout: max(flags.Seconds(o.maxWaitForLock), leastWaitForLock), Deadline: flags.Seconds(o.deadline),
		AllowInconsistent: o.allowInconsistent, Force: o.force, LockWait: flags.Seconds(o.lockWait), LockGrowth: o.lockGrowth,
	}, nil
}

func (o createOptions) run(cmd *cobra.Command, b *flags.Backup) error {
	request, err := o.request(cmd)
	if err != nil {
		return err
	}
	c, err := beginBackup(cmd, b, "create")
	if err != nil {
		return err
	}
	c.changes = true
	stop := c.followSteps(stepFilter{operation: client.OperationCreate, id: o.label, all: o.steps})
	res, err := c.backups().Create(cmd.Context(), request)
	stop()
	return c.end(err, res, func(r show.Report) { show.Created(r, res) })
}
