package transfer

import (
	"context"
	"errors"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/operation"
	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/wait"
)

// dispatcher runs one job on the coordinator that got the request. Only this coordinator has the
// remote's configuration. The dispatcher assigns each DB server its part, again if the server is
// started again, until every part is over.
type dispatcher struct {
	service *Service
	request dbclient.TransferRequest
	members []string
	steps   *operation.Events
	planned chan error // receives the outcome of the plan, once
}

// refusal waits for the plan of a download, at most Timeouts.Answer. It returns the error of a plan
// that cannot be carried out, so that the client gets it at once.
func (d *dispatcher) refusal(ctx context.Context) error {
	if d.request.Kind != keys.TransferDownload {
		return nil
	}
	timer := time.NewTimer(d.service.Timeouts.Answer)
	defer timer.Stop()
	select {
	case err := <-d.planned:
		if errors.Is(err, apierror.BackupTopology) {
			return err
		}
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil
}

func (d *dispatcher) part(root *agencyclient.Node, server string) (p part, known bool) {
	return partOf(root, d.request.Job, server)
}

// target returns the address of a server and the reboot id of its process, 0 if it is unknown.
func (d *dispatcher) target(root *agencyclient.Node, server string) (dbclient.Target, uint64) {
	var known keys.Known
	url, err := topology.URL(root, server)
	if err != nil || root.At(keys.ServerKnown(server)).Decode(&known) != nil {
		return dbclient.Target{}, 0
	}
	return dbclient.Target{URL: url, Epoch: known.Epoch}, known.RebootID
}

// end ends a part. If that fails, it pauses, and the caller tries again.
func (d *dispatcher) end(ctx context.Context, p part, why error) {
	if err := d.service.end(ctx, p, why); err != nil && ctx.Err() == nil {
		_ = wait.For(ctx, retryPause) // the caller looks at ctx
	}
}

// emit sends an event of the job.
func (d *dispatcher) emit(ctx context.Context, step event.Name, server string) {
	d.steps.Emit(ctx, event.Event{Step: step, Server: server, Detail: "job " + d.request.Job})
}

// ended emits how the job has ended, if all its parts have.
func (d *dispatcher) ended(ctx context.Context) {
	snapshot, err := d.service.Cache.Sync(ctx)
	var job keys.TransferJob
	if err != nil || snapshot.Root.At(keys.TransferJobKey(d.request.Job)).Decode(&job) != nil || !job.Finished() {
		return // the service ends, or the job was removed from the agency: how it ended is not known here
	}
	d.emit(ctx, job.EndStep(), "")
}
