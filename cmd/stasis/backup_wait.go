package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"stasis/client"
	"stasis/cmd/stasis/progress"
	"stasis/cmd/stasis/show"
	"stasis/internal/wait"
)

const (
	// transferPause is the pause between two questions for a transfer.
	transferPause = 500 * time.Millisecond
	// transferMisses is how many questions in a row may fail.
	transferMisses = 20
)

// awaitTransfer shows the progress of every DB server until all are done. An answer that is
// missed now and then does not end the waiting: the transfer goes on without the
// coordinator.
func (c *backupCall) awaitTransfer(id string) error {
	out := c.cmd.ErrOrStderr()
	if c.flags.JSON {
		out = io.Discard
	}
	bars := progress.NewServers(out)
	st, err := c.followTransfer(id, bars.Show)
	bars.Close() // before anything else is printed: bars that are drawn again would erase it
	switch {
	case err != nil && c.cmd.Context().Err() != nil:
		return fmt.Errorf("interrupted; the transfer goes on: stasis backup %s --status-id=%s [--abort]", c.name, id)
	case err != nil:
		return c.failed(err)
	}
	if c.flags.JSON {
		if err := printJSON(c.cmd.OutOrStdout(), st); err != nil {
			return err
		}
	} else {
		c.report.Names = serverNames(c.cmd.Context(), c.client)
		show.Transfer(c.report, st)
	}
	if !st.Completed() {
		return fmt.Errorf("%w: the transfer did not complete", errReported)
	}
	return nil
}

// followTransfer draws how a transfer stands until it is over.
func (c *backupCall) followTransfer(id string, draw func(client.TransferStatus)) (client.TransferStatus, error) {
	for misses := 0; ; {
		st, err := c.backups().TransferStatus(c.cmd.Context(), id)
		switch {
		case err == nil:
			misses = 0
			if draw(st); st.Finished() {
				return st, nil
			}
		case errors.Is(err, client.ErrNotFound), misses >= transferMisses:
			return st, err
		default:
			misses++
		}
		if err := wait.For(c.cmd.Context(), transferPause); err != nil {
			return st, err
		}
	}
}
