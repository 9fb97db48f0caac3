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
	st, err := c.followTransfer(id)
	if err != nil {
		return err
	}
	if c.flags.JSON {
		if err := printJSON(c.cmd.OutOrStdout(), st); err != nil {
			return err
		}
	} else {
		show.Transfer(c.report, st)
	}
	if !st.Completed() {
		return fmt.Errorf("%w: the transfer did not complete", errReported)
	}
	return nil
}

// followTransfer returns when the transfer is over.
func (c *backupCall) followTransfer(id string) (client.TransferStatus, error) {
	out := c.cmd.ErrOrStderr()
	if c.flags.JSON {
		out = io.Discard
	}
	bars := progress.NewServers(out)
	defer bars.Close()
	for misses := 0; ; {
		st, err := c.backups().TransferStatus(c.cmd.Context(), id)
		switch {
		case err == nil:
			misses = 0
			if bars.Show(st); st.Finished() {
				return st, nil
			}
		case errors.Is(err, client.ErrNotFound), misses >= transferMisses:
			return st, c.failed(err)
		default:
			misses++
		}
		if wait.For(c.cmd.Context(), transferPause) != nil {
			return st, fmt.Errorf("interrupted; the transfer goes on: stasis backup %s --status-id=%s [--abort]", c.name, id)
		}
	}
}
