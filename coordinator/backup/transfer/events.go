package transfer

import (
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
