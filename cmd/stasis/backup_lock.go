package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"stasis/client"
	"stasis/cmd/stasis/flags"
	"stasis/cmd/stasis/show"
)

// lockOptions are the flags of the command.
type lockOptions struct{ remove, yes bool }

func backupLockCommand(b *flags.Backup) *cobra.Command {
	var o lockOptions
	cmd := &cobra.Command{
		Use:   "lock [--break [--yes]]",
		Short: "Show the agency lock: who holds it, for what, for how long; or break it",
		Long: `Show the agency lock, with which backups and restores exclude each other: holder, operation,
backup, age, and what is left of its lease.

The lock of a coordinator that has died needs no help: the supervision takes it away when
its lease ends. --break removes the lock now, if it is still the one that was shown. The
operation that holds it finds that out, at its commit at the latest, and commits nothing. A
restore that is committed already completes by itself. From then on another backup, another
restore, and jobs that change Plan may begin, although the holder may still work on what it
has begun. Break the lock of a holder that is dead or
hangs, and of nothing else.`,
		Args: flags.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd, b) },
	}
	cmd.Flags().BoolVar(&o.remove, "break", false, "remove the lock, after a question")
	cmd.Flags().BoolVar(&o.yes, "yes", false, "with --break: do not ask")
	return cmd
}

func (o lockOptions) run(cmd *cobra.Command, b *flags.Backup) error {
	if o.yes && !o.remove {
		return errors.New("lock: --yes answers the question of --break, and there is none")
	}
	c, err := b.Client()
	if err != nil {
		return err
	}
	call := &backupCall{cmd: cmd, flags: b, name: "lock", client: c, report: newReport(cmd, b), changes: o.remove}
	lock, err := call.backups().Lock(cmd.Context())
	if err != nil {
		return call.end(flags.NoCoordinator(c, err), nil, nil)
	}
	if !o.remove && b.JSON {
		return printJSON(cmd.OutOrStdout(), lock)
	}
	out := cmd.OutOrStdout()
	if b.JSON {
		out = cmd.ErrOrStderr()
	}
	if !b.JSON || !o.yes { // what is asked about is shown
		if err := show.AgencyLock(out, lock, serverNames(cmd.Context(), c)); err != nil {
			return err
		}
	}
	if !o.remove {
		return nil
	}
	return o.breakLock(call, lock)
}

// breakLock breaks the lock that was shown.
func (o lockOptions) breakLock(call *backupCall, lock client.AgencyLock) error {
	if lock.Lock == nil {
		return errors.New("lock: the agency lock is free: there is nothing to break")
	}
	if err := o.confirm(call.cmd); err != nil {
		return err
	}
	err := call.backups().BreakLock(call.cmd.Context(), *lock.Lock)
	return call.end(err, struct {
		Broken *client.HeldLock `json:"broken"`
	}{lock.Lock}, func(r show.Report) {
		switch h := lock.Lock; {
		case h.Nonce == "":
			r.Warn("The agency lock is broken. Its holder was unknown")
		case h.Committed:
			r.Warn("The agency lock is broken. %s of '%s' on %s was committed before, and completes by itself", h.Operation, h.ID, r.Names.Both(h.Coordinator))
		default:
			r.Warn("The agency lock is broken. %s of '%s' on %s commits nothing from now on", h.Operation, h.ID, r.Names.Both(h.Coordinator))
		}
	})
}

const breakWarning = `
If the holder is alive, its backup or restore fails. Until it notices, others may begin beside it.
A holder that has died loses the lock by itself when its lease ends.
Type "yes" to break the lock: `

var errNotConfirmed = errors.New("lock: not confirmed: nothing was done")

// confirm asks on a terminal. Without one only --yes breaks a lock.
func (o lockOptions) confirm(cmd *cobra.Command) error {
	if o.yes {
		return nil
	}
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return errors.New("lock: --break asks before it breaks the lock, and there is no terminal: nothing was done; --yes breaks it without a question")
	}
	fmt.Fprint(cmd.ErrOrStderr(), breakWarning)
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		return fmt.Errorf("%w: %w", errNotConfirmed, err)
	}
	if strings.TrimSpace(answer) != "yes" {
		return errNotConfirmed
	}
	return nil
}
