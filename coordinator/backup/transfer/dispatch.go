package transfer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/coordinator/backup/topology"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/wait"
)

// run decides which server moves which piece, and dispatches every part until it is over.
func (d *dispatcher) run(ctx context.Context) {
	sources, err := d.plan(ctx)
	if err == nil {
		d.emit(ctx, event.TransferPlanned, "", nil)
	}
	d.planned <- err
	if ctx.Err() != nil {
		return
	}
	var group sync.WaitGroup
	for _, server := range d.members {
		group.Go(func() {
			d.dispatch(ctx, server, sources[server], err)
		})
	}
	group.Wait()
	d.ended(ctx)
}

// dispatch runs one server's part until it is over. planErr ends it at once.
func (d *dispatcher) dispatch(ctx context.Context, server, source string, planErr error) {
	var assigned uint64   // the reboot id of the process that has the configuration
	var missing time.Time // since when the server has FAILED
	for ctx.Err() == nil {
		snapshot, err := d.service.Cache.Sync(ctx)
		if err != nil {
			_ = wait.For(ctx, retryPause) // the loop looks at ctx
			continue
		}
		p, known := d.part(snapshot.Root, server)
		if !known || p.entry.Final() {
			return
		}
		_, reboot := d.target(snapshot.Root, server)
		switch here := !topology.Failed(snapshot.Root, server); {
		case here:
			missing = time.Time{}
		case missing.IsZero():
			missing = time.Now()
		}
		// A server that restarts soon gets its part again, with what it has moved so far. So a failed
		// server is waited for, unless the job is cancelled: then nothing is left to continue.
		gone := !missing.IsZero() && (p.cancelled || time.Since(missing) > d.service.Timeouts.Gone)
		switch {
		case planErr != nil || source == "" || gone || p.cancelled && assigned == 0:
			d.end(ctx, p, d.reason(server, planErr, gone))
			continue
		case assigned == 0 || assigned != reboot:
			// Another reboot id is another process, which does not have the configuration: it is in
			// memory only. Assigning a part twice to one process does no harm.
			if assigned, planErr = d.assign(ctx, snapshot.Root, server, source); assigned == 0 {
				_ = wait.For(ctx, retryPause)
			}
			continue
		}
		d.awaitChange(ctx, p, reboot)
	}
}

// reason returns why a part ends without its server, nil if it had nothing to do.
func (d *dispatcher) reason(server string, planErr error, gone bool) error {
	switch {
	case planErr != nil:
		return planErr
	case gone:
		return apierror.New(failure(d.request.Kind), "%s has FAILED: when it is back, start the transfer again: it continues where it stopped", server)
	}
	return nil
}

// assign sends the server its part. It returns the reboot id of the process that has it now, 0 if
// the server could not be reached, or an error that ends the part.
func (d *dispatcher) assign(ctx context.Context, root *agencyclient.Node, server, source string) (uint64, error) {
	target, reboot := d.target(root, server)
	request := d.request
	request.Source = source
	call, cancel := context.WithTimeout(ctx, d.service.Timeouts.Stall)
	defer cancel()
	err := d.service.Movers.Transfer(call, target, request)
	switch {
	case err == nil:
		d.emit(ctx, event.TransferAssigned, server, nil)
		return reboot, nil
	case away(err) || ctx.Err() != nil || errors.Is(err, apierror.Internal) || errors.Is(err, apierror.NotFound):
		// NotFound: the job was removed from the agency. The next look there finds that, too.
		d.service.Log.Debug("transfer not assigned", "job", d.request.Job, "server", server, "error", err)
		return 0, nil
	}
	return 0, fmt.Errorf("%s: %w", server, err)
}

// awaitChange waits, at most ten seconds, for a change of the part or of its server after which
// the dispatcher may have to act.
func (d *dispatcher) awaitChange(ctx context.Context, was part, reboot uint64) {
	ctx, stop := context.WithTimeout(ctx, 10*retryPause)
	defer stop()
	_, _ = d.service.Cache.Wait(ctx, func(s agencyclient.Snapshot) bool { // after ten seconds the caller looks again
		p, known := d.part(s.Root, was.server)
		_, now := d.target(s.Root, was.server)
		return !known || p.entry.Final() || now != reboot || p.cancelled != was.cancelled || topology.Failed(s.Root, was.server) && was.cancelled
	})
}
