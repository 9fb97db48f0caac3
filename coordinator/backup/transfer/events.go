package transfer

import (
	"context"

	"stasis/agency/keys"
	"stasis/event"
)

// operationOf names an upload or a download in events.
func operationOf(kind string) string {
	if kind == keys.TransferDownload {
		return event.Download
	}
	return event.Upload
}

// pieceStep is the event of a part that has ended with this status.
func pieceStep(status string) event.Name {
	switch status {
	case keys.TransferCompleted:
		return event.PieceMoved
	case keys.TransferCancelled:
		return event.PieceCancelled
	}
	return event.PieceFailed
}

// jobStep is the event of a job whose parts have all ended: a failed part makes it a failed one.
func jobStep(job keys.TransferJob) event.Name {
	step := event.TransferCompleted
	for _, e := range job.DBServers {
		switch e.Status {
		case keys.TransferFailed:
			return event.TransferFailed
		case keys.TransferCancelled:
			step = event.TransferCancelled
		}
	}
	return step
}

// emit sends an event of the job.
func (d *dispatcher) emit(ctx context.Context, step event.Name, server string, err error) {
	e := event.Event{Step: step, Server: server, Detail: "job " + d.request.Job}
	if err != nil {
		e.Error = err.Error()
	}
	d.steps.Emit(ctx, e)
}

// ended emits how the job has ended, if all its parts have.
func (d *dispatcher) ended(ctx context.Context) {
	snapshot, err := d.service.Cache.Sync(ctx)
	var job keys.TransferJob
	if err != nil || snapshot.Root.At(keys.TransferJobKey(d.request.Job)).Decode(&job) != nil || !job.Finished() {
		return // the service ends, or the job was removed from the agency: how it ended is not known here
	}
	d.emit(ctx, jobStep(job), "", nil)
}
