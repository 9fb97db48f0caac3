package client

import (
	"context"
	"errors"
	"fmt"
)

// MostTransfers is how many files a DB server sends or fetches at once at most.
const MostTransfers = 32

// TransferKind is upload or download.
type TransferKind string

// Kinds of transfers.
const (
	Upload   TransferKind = "upload"
	Download TransferKind = "download"
)

// TransferRequest has all DB servers upload their piece of a backup, or fetch it. Zero
// fields take their default.
type TransferRequest struct {
	ID             string `json:"id"` // of the backup
	Remote                // where it goes or comes from
	Transfers      int    `json:"transfers,omitempty"`      // files at once per DB server; 4, at most MostTransfers
	BytesPerSecond int64  `json:"bytesPerSecond,omitempty"` // of each DB server; 0: no limit

	Keys []PublicKey `json:"key,omitempty"` // of a download, if there are any: refuse what none of them has signed
}

// started is the answer to a transfer that has begun; one of both is set.
type started struct {
	UploadID   string `json:"uploadId"`
	DownloadID string `json:"downloadId"`
}

// aboutTransfer is the body of questions about a transfer.
type aboutTransfer struct {
	UploadID string `json:"uploadId"`
	Abort    bool   `json:"abort,omitempty"`
}

// Transfer starts an upload or a download and returns its id. The DB servers go on by
// themselves, whatever becomes of this coordinator; [TransferStatus] says how it stands.
func (b Backups) Transfer(ctx context.Context, kind TransferKind, r TransferRequest) (id string, err error) {
	if err := CheckID(r.ID); err != nil {
		return "", err
	}
	if err := b.judged(ctx, r.Keys); err != nil {
		return "", err
	}
	var answer started
	if err := b.client.backup(ctx, backupCommand{name: string(kind), body: r}, &answer); err != nil {
		return "", err
	}
	if kind == Download {
		return answer.DownloadID, nil
	}
	return answer.UploadID, nil
}

// TransferStatus returns the state of a transfer of either kind. [ErrNotFound]: there is none.
func (b Backups) TransferStatus(ctx context.Context, id string) (TransferStatus, error) {
	var st TransferStatus
	return st, b.client.backup(ctx, backupCommand{name: string(Upload), body: aboutTransfer{UploadID: id}, reads: true}, &st)
}

// AbortTransfer asks for the end of a transfer of either kind. One that is over stays as it
// is.
func (b Backups) AbortTransfer(ctx context.Context, id string) error {
	return b.client.backup(ctx, backupCommand{name: string(Upload), body: aboutTransfer{UploadID: id, Abort: true}}, nil)
}

// Transfers are the transfers that the agency remembers, by id.
func (b Backups) Transfers(ctx context.Context) (map[string]TransferStatus, error) {
	var answer struct {
		Transfers map[string]TransferStatus `json:"transfers"`
	}
	err := b.client.backup(ctx, backupCommand{name: "transfers", reads: true}, &answer)
	return answer.Transfers, err
}

// Statuses of one DB server's part of a transfer. The last three are final.
const (
	TransferNew       = "NEW"
	TransferAccepted  = "ACK" // the DB server has it, with the remote's configuration
	TransferStarted   = "STARTED"
	TransferCompleted = "COMPLETED"
	TransferFailed    = "FAILED"
	TransferCancelled = "CANCELLED"
)

// TransferStatus is the state of a transfer, with ArangoDB's names. One of the ids is set:
// that of its kind.
type TransferStatus struct {
	Timestamp  string                    `json:"Timestamp"`
	UploadID   string                    `json:"UploadId,omitempty"`
	DownloadID string                    `json:"DownloadId,omitempty"`
	Cancelled  bool                      `json:"Cancelled"`
	BackupID   string                    `json:"BackupId"`
	Remote     string                    `json:"RemoteRepository"`
	DBServers  map[string]ServerTransfer `json:"DBServers"`
}

// Kind is the kind of the transfer.
func (s TransferStatus) Kind() TransferKind {
	if s.DownloadID != "" {
		return Download
	}
	return Upload
}

// Finished says whether every server's part is over.
func (s TransferStatus) Finished() bool {
	for _, e := range s.DBServers {
		if !e.Final() {
			return false
		}
	}
	return true
}

// Completed says whether every server has done its part.
func (s TransferStatus) Completed() bool {
	for _, e := range s.DBServers {
		if e.Status != TransferCompleted {
			return false
		}
	}
	return true
}

// ServerTransfer is one DB server's part of a transfer.
type ServerTransfer struct {
	Status       string            `json:"Status"`
	Progress     *TransferProgress `json:"Progress,omitempty"`
	Error        int               `json:"Error,omitempty"` // the number
	ErrorMessage string            `json:"ErrorMessage,omitempty"`
}

// Final says whether this part is over.
func (t ServerTransfer) Final() bool {
	return t.Status == TransferCompleted || t.Status == TransferFailed || t.Status == TransferCancelled
}

// TransferProgress counts files and bytes that are where they should be, moved or there
// already. Time and Timestamp are the same: clients differ in what they read.
type TransferProgress struct {
	Total          int     `json:"Total"` // files
	Done           int     `json:"Done"`
	BytesTotal     int64   `json:"BytesTotal"`
	BytesDone      int64   `json:"BytesDone"`
	BytesMoved     int64   `json:"BytesMoved"` // through the network
	BytesPerSecond float64 `json:"BytesPerSecond"`
	Time           string  `json:"Time"`
	Timestamp      string  `json:"Timestamp"`
}

// Operations at a remote.
const (
	RemoteList   = "list"
	RemoteDelete = "delete" // needs ID
	RemotePrune  = "prune"
	RemoteVerify = "verify" // ID, or all
)

// RemoteRequest asks about a remote, or for an operation on what it has.
type RemoteRequest struct {
	Operation string `json:"operation"`
	ID        string `json:"id,omitempty"` // of a backup
	Remote
	Keys []PublicKey `json:"key,omitempty"` // of a verify, if there are any: refuse what none of them has signed
}

// errNoID is the error of an operation that needs the id of a backup.
var errNoID = errors.New("the id of a backup is missing")

// Remote has a DB server carry out an operation at a remote.
func (b Backups) Remote(ctx context.Context, r RemoteRequest) (RemoteResult, error) {
	var res RemoteResult
	switch r.Operation {
	case RemoteDelete:
		if r.ID == "" {
			return res, fmt.Errorf("%w: remote delete: %w", ErrInvalid, errNoID)
		}
	case RemoteList, RemotePrune, RemoteVerify:
	default:
		return res, fmt.Errorf("%w: unknown remote operation %q (want list, delete, prune or verify)", ErrInvalid, r.Operation)
	}
	if r.ID != "" {
		if err := CheckID(r.ID); err != nil {
			return res, err
		}
	}
	if err := b.judged(ctx, r.Keys); err != nil {
		return res, err
	}
	reads := r.Operation == RemoteList || r.Operation == RemoteVerify
	return res, b.client.backup(ctx, backupCommand{name: "remote", body: r, reads: reads}, &res)
}

// RemoteResult is what was found or done at a remote.
type RemoteResult struct {
	Backups  []RemoteBackup `json:"backups,omitempty"`  // list, verify
	Removed  int            `json:"removed"`            // objects: delete, prune
	Freed    int64          `json:"freed"`              // bytes: prune
	Kept     int            `json:"kept,omitempty"`     // objects that are needed: prune
	Problems []string       `json:"problems,omitempty"` // verify: what is not as it should be
	Note     string         `json:"note,omitempty"`     // for people
}

// RemoteBackup is a backup at a remote.
type RemoteBackup struct {
	ID                      string   `json:"id"`
	DateTime                string   `json:"datetime,omitempty"`
	Version                 string   `json:"version,omitempty"`
	Complete                bool     `json:"complete"`          // its manifest is there
	Servers                 []string `json:"servers"`           // whose pieces it has
	Missing                 []string `json:"missing,omitempty"` // whose pieces are not there, as far as known
	SizeInBytes             int64    `json:"sizeInBytes"`
	NrFiles                 int      `json:"nrFiles"`
	Damaged                 int      `json:"damaged,omitempty"` // files whose content was found damaged, and has not been sent again
	PotentiallyInconsistent bool     `json:"potentiallyInconsistent,omitempty"`

	Signature *Signature `json:"signature,omitempty"` // verify: who has signed it, if the cluster or the request has keys
}
