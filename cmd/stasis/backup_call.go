package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
	"stasis/cmd/stasis/show"
	"stasis/internal/apierror"
)

// backupCall is one command on backups while it runs.
type backupCall struct {
	cmd     *cobra.Command
	flags   *flags.Backup
	name    string
	client  *client.Client
	report  show.Report
	changes bool // it changes something: an answer that is lost leaves open what
}

// newReport makes the report of a command. With --json it prints to standard error, and
// only errors.
func newReport(cmd *cobra.Command, b *flags.Backup) show.Report {
	r := show.Report{Out: cmd.OutOrStdout(), Level: show.ParseLevel(b.LogLevel)}
	if b.JSON {
		r.Out, r.Level = cmd.ErrOrStderr(), min(r.Level, show.Error)
	}
	return r
}

// beginBackup says which version the coordinator has.
func beginBackup(cmd *cobra.Command, b *flags.Backup, name string) (*backupCall, error) {
	c, err := b.Client()
	if err != nil {
		return nil, err
	}
	call := &backupCall{cmd: cmd, flags: b, name: name, client: c, report: newReport(cmd, b)}
	version, err := c.Version(cmd.Context())
	if err != nil {
		return nil, call.failed(flags.NoCoordinator(c, err))
	}
	call.report.Info(show.Version, "Server version: %s", version)
	return call, nil
}

// backups are the commands of the coordinator.
func (c *backupCall) backups() client.Backups { return c.client.Backups() }

// end shows what came of the command: its error, its result as JSON, or what text prints.
func (c *backupCall) end(err error, result any, text func(show.Report)) error {
	if err != nil {
		err = c.explain(err)
		if c.flags.JSON {
			return errors.Join(printJSON(c.cmd.OutOrStdout(), apierror.From(err)), fmt.Errorf("%w: %w", errReported, err))
		}
		failed := c.failed(err)
		c.showReport(err)
		return failed
	}
	if c.flags.JSON {
		return printJSON(c.cmd.OutOrStdout(), result)
	}
	c.report.Names = serverNames(c.cmd.Context(), c.client)
	text(c.report)
	return nil
}

// explain says in words what an error without an answer means.
func (c *backupCall) explain(err error) error {
	var answer *client.Error
	ctx := c.cmd.Context()
	switch {
	case ctx.Err() != nil && c.changes:
		return errors.New("interrupted: what is not committed yet is undone; 'stasis backup list' and 'stasis status' show what became of it")
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case errors.As(err, &answer) || !c.changes:
		return err
	case errors.Is(err, syscall.ECONNREFUSED):
		return flags.NoCoordinator(c.client, err)
	case errors.Is(err, context.Canceled) || !errors.Is(err, client.ErrUnavailable):
		return err
	}
	return fmt.Errorf("the answer was lost, so the outcome is unknown; 'stasis backup list' and 'stasis status' show it: %w", err)
}

// failed reports err as the result of the command, in the words of arangobackup.
func (c *backupCall) failed(err error) error {
	var answer *client.Error
	if errors.As(err, &answer) {
		c.report.Err("Error during backup operation '%s': got invalid response from server: HTTP %d: %s", c.name, answer.Status, answer.Message)
	} else {
		c.report.Err("Error during backup operation '%s': %s", c.name, err)
	}
	return fmt.Errorf("%w: %w", errReported, err)
}

// showReport shows the lock report of a create that has failed: writers may have waited for it.
func (c *backupCall) showReport(err error) {
	var answer *client.Error
	if !errors.As(err, &answer) {
		return
	}
	if report := answer.LockReport(); report != nil {
		c.report.Names = serverNames(c.cmd.Context(), c.client)
		show.Failed(c.report, *report)
	}
}

// addIdentifier adds the flag that names the backup; it must be given.
func addIdentifier(cmd *cobra.Command, id *string) {
	cmd.Flags().StringVar(id, "identifier", "", "`id` of the backup, as create and list print it (required)")
	flags.Require(cmd, "identifier")
}
