package keys

import "stasis/event"

// Kinds of transfers.
const (
	TransferUpload   = "Upload"
	TransferDownload = "Download"
)

// States of one DB server's part of a transfer, in order. The last three are final.
const (
	TransferNew       = "NEW"
	TransferAck       = "ACK" // the DB server has it, with the remote's configuration
	TransferStarted   = "STARTED"
	TransferCompleted = "COMPLETED"
	TransferFailed    = "FAILED"
	TransferCancelled = "CANCELLED"
)

// TransferJob is the value of Target/HotBackup/TransferJobs/<id>: an upload or
// download. It never holds the remote's configuration, which has credentials: that is in the memory
// of the coordinator that was asked, and of the DB servers while they work.
type TransferJob struct {
	BackupID    string                   `json:"BackupId"`
	Timestamp   string                   `json:"Timestamp"`
	Kind        string                   `json:"Kind"`   // TransferUpload or TransferDownload
	Remote      string                   `json:"Remote"` // <name>:<path>, without credentials
	Cancelled   bool                     `json:"Cancelled,omitempty"`
	Coordinator string                   `json:"Coordinator"`
	RebootID    uint64                   `json:"CoordinatorRebootId"`
	Nonce       string                   `json:"Nonce"`
	DBServers   map[string]TransferEntry `json:"DBServers"`
}

// TransferEntry is one DB server's part. It is changed only with its Status as a
// precondition, so a final one stays.
type TransferEntry struct {
	Status       string            `json:"Status"`
	Source       string            `json:"Source,omitempty"` // the server that made the piece
	RebootID     uint64            `json:"rebootId,omitempty"`
	LockLocation string            `json:"lockLocation,omitempty"`
	Progress     *TransferProgress `json:"Progress,omitempty"`
	Error        int               `json:"Error,omitempty"`
	ErrorMessage string            `json:"ErrorMessage,omitempty"`
	EndedBy      string            `json:"EndedBy,omitempty"` // the server that has written how it ended; it emits the event
}

// TransferProgress counts files and bytes that are where they should be, sent or
// there already. Time and Timestamp are the same; clients differ in what they read.
type TransferProgress struct {
	Total          int     `json:"Total"`
	Done           int     `json:"Done"`
	BytesTotal     int64   `json:"BytesTotal"`
	BytesDone      int64   `json:"BytesDone"`
	BytesMoved     int64   `json:"BytesMoved"` // through the network
	BytesPerSecond float64 `json:"BytesPerSecond"`
	Time           string  `json:"Time"`
	Timestamp      string  `json:"Timestamp"`
}

// TransferOperation is what events call a kind of transfer.
func TransferOperation(kind string) string {
	if kind == TransferDownload {
		return event.Download
	}
	return event.Upload
}

// EndStep is the event of a part that has ended.
func (e TransferEntry) EndStep() event.Name {
	switch e.Status {
	case TransferCompleted:
		return event.PieceMoved
	case TransferCancelled:
		return event.PieceCancelled
	}
	return event.PieceFailed
}

// EndStep is the event of a job whose parts have all ended: a failed part makes it a failed one.
func (j TransferJob) EndStep() event.Name {
	step := event.TransferCompleted
	for _, e := range j.DBServers {
		switch e.Status {
		case TransferFailed:
			return event.TransferFailed
		case TransferCancelled:
			step = event.TransferCancelled
		}
	}
	return step
}

// Final says that the entry does not change any more.
func (e TransferEntry) Final() bool {
	return e.Status == TransferCompleted || e.Status == TransferFailed || e.Status == TransferCancelled
}

// Finished says whether every part is final.
func (j TransferJob) Finished() bool {
	for _, e := range j.DBServers {
		if !e.Final() {
			return false
		}
	}
	return true
}
