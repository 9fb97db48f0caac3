package create

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"stasis/client/certificate"
	"stasis/coordinator/backup/operation"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// closeGates is what undoes the global lock. A server that does not answer the release has not told
// how long writers waited there: it is asked again while the rest is undone.
func (c *creation) closeGates(ctx context.Context) error {
	err := c.gates.giveUp(ctx)
	if c.asking == nil && !failpoint.Off("dead-time-is-asked-again") {
		c.asking = c.gates.dead.askAgain(ctx, dbclient.GateReleaseRequest{ID: c.op.ID, Nonce: c.op.Nonce, Final: true})
	}
	return err
}

// failed undoes what was done, and returns the error with the lock report. The report has what
// writers have suffered, which they have although there is no backup.
func (c *creation) failed(ctx context.Context, err error) error {
	c.op.Undo.Last = c.tellDeadTime
	c.op.RollBack(ctx, err, c.by.Timeouts.Undo)
	report, ending, text := c.lockReport(), lost, "backup failed"
	if errors.Is(err, operation.ErrOutcomeUnknown) {
		ending, text = unsure, "backup may be committed"
	}
	c.by.Tally.count(report, ending)
	if report == nil {
		c.op.Log.Warn(text, "id", c.op.ID, "error", err)
		return err
	}
	c.op.Log.Warn(text, "id", c.op.ID, "error", err, "attempts", len(report.Attempts),
		"writersWaited", report.WritersWaited, "deadLongest", seconds(report.DeadLongestSeconds), "deadSum", seconds(report.DeadSumSeconds), "deadUnknown", report.DeadUnknown)
	return apierror.With(err, apierror.Report, report)
}

// lockReport is what is known now. It is nil if no gate was asked for.
func (c *creation) lockReport() *certificate.LockReport {
	if c.gates == nil || len(c.gates.report.Attempts) == 0 {
		return nil
	}
	if c.asking != nil {
		c.asking()
	}
	c.gates.dead.into(&c.gates.report, c.op.Since)
	return &c.gates.report
}

// tellDeadTime emits how long writers waited. It ends the questions to the servers that have not
// told.
func (c *creation) tellDeadTime(ctx context.Context) {
	report := c.lockReport()
	if report == nil {
		return
	}
	text := fmt.Sprintf("%d writers waited, the longest %v, together %v", report.WritersWaited, seconds(report.DeadLongestSeconds), seconds(report.DeadSumSeconds))
	if len(report.DeadUnknown) > 0 {
		text += "; unknown of " + strings.Join(report.DeadUnknown, ", ")
	}
	c.op.Emit(ctx, event.Event{Step: event.DeadTime, Detail: text})
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(10 * time.Microsecond)
}
