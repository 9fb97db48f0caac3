package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"stasis/internal/backupname"
)

// CheckID returns an error that matches [ErrInvalid] if id cannot be the id of a backup.
func CheckID(id string) error { return invalid(backupname.CheckID(id)) }

// CheckLabel returns an error that matches [ErrInvalid] if label cannot be the label of a
// backup, which is the end of its id.
func CheckLabel(label string) error { return invalid(backupname.CheckLabel(label)) }

func invalid(err error) error {
	if err == nil {
		return nil
	}
	return answered(err, request{reads: true})
}

// Backups takes, lists and restores backups of the whole cluster.
type Backups struct{ client *Client }

// Backups gives access to the commands on backups. It sends nothing.
func (c *Client) Backups() Backups { return Backups{c} }

// Backup sends a command on backups by its name, and decodes the result. It is for what
// Backups has no method for.
func (c *Client) Backup(ctx context.Context, command string, request, result any) error {
	return c.backup(ctx, backupCommand{name: command, body: request}, result)
}

// backupCommand is one command on backups.
type backupCommand struct {
	name   string
	body   any
	reads  bool
	marked bool
}

func (c *Client) backup(ctx context.Context, b backupCommand, into any) error {
	var answer result[json.RawMessage]
	r := request{method: http.MethodPost, path: "/_admin/backup/" + b.name, body: b.body, reads: b.reads, marked: b.marked}
	if err := c.do(ctx, r, &answer); err != nil {
		return err
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(answer.Result, into); err != nil {
		return &noAnswer{text: "result of " + b.name, err: err, unknown: r.changes()}
	}
	return nil
}

// Defaults of a [CreateRequest].
const (
	DefaultLockWait   = 500 * time.Millisecond
	DefaultLockGrowth = 1.1
)

// CreateRequest asks for a backup. Zero fields take their default.
//
// Timeout bounds the lock phase: waiting for the agency lock, preparing, and waiting for the
// gates, together. The default is two minutes, the least 2.5 s. Later phases take as long as
// every DB server makes progress; Deadline, if it is set, bounds everything up to the commit.
// The first attempt to hold all gates waits for LockWait, each later one LockGrowth times as
// long as the one before.
//
// LockMode says for which writers the backup waits; the default is LockModeTransactions.
// LockModeNone holds up no writer, makes a backup that is potentially inconsistent, and is refused
// without AllowInconsistent.
//
// Force goes on trying for another Timeout, and aborts meanwhile the stream transactions that are
// open; the lock report names them. AllowInconsistent goes on without the global lock
// if that cannot be acquired, and marks the backup for ever.
type CreateRequest struct {
	Label             string // the end of the id, see CheckLabel; "": a random one
	Timeout           time.Duration
	Deadline          time.Duration // 0: none
	AllowInconsistent bool
	Force             bool
	LockWait          time.Duration
	LockGrowth        float64
	LockMode          LockMode
}

// MarshalJSON writes the body of the command: durations are seconds, and what is not set is
// left out.
func (r CreateRequest) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Label             string   `json:"label,omitempty"`
		Timeout           float64  `json:"timeout,omitempty"`
		Deadline          float64  `json:"deadline,omitempty"`
		AllowInconsistent bool     `json:"allowInconsistent"`
		Force             bool     `json:"force"`
		LockWait          float64  `json:"lockWait,omitempty"`
		LockGrowth        float64  `json:"lockGrowth,omitempty"`
		LockMode          LockMode `json:"lockMode,omitempty"`
	}{r.Label, r.Timeout.Seconds(), r.Deadline.Seconds(), r.AllowInconsistent, r.Force, r.LockWait.Seconds(), r.LockGrowth, r.LockMode})
}

// Create takes a backup of the whole cluster at one instant. If ctx ends before the backup
// is committed, nothing of it is left.
//
// [ErrLockTimeout]: the agency lock or all gates could not be acquired in time. [ErrInvalid]: the
// label, or another field. [ErrNoSpace]: the disk of a DB server is full. [ErrUnknownOutcome]: there may
// be a backup; List tells.
func (b Backups) Create(ctx context.Context, r CreateRequest) (CreateResult, error) {
	var res CreateResult
	if r.Label != "" {
		if err := CheckLabel(r.Label); err != nil {
			return res, err
		}
	}
	return res, b.client.backup(ctx, backupCommand{name: "create", body: r, marked: true}, &res)
}

// RestoreRequest asks for a restore. Timeout bounds waiting for the agency lock; 0 means two
// minutes. Deadline bounds everything up to the commit; 0 means none.
type RestoreRequest struct {
	ID            string
	IgnoreVersion bool // restore a backup of another version nevertheless
	Timeout       time.Duration
	Deadline      time.Duration
	Keys          []PublicKey // if there are any: refuse what none of them has signed
}

// MarshalJSON writes the body of the command.
func (r RestoreRequest) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		ID            string      `json:"id"`
		IgnoreVersion bool        `json:"ignoreVersion,omitempty"`
		Timeout       float64     `json:"timeout,omitempty"`
		Deadline      float64     `json:"deadline,omitempty"`
		Keys          []PublicKey `json:"key,omitempty"`
	}{r.ID, r.IgnoreVersion, r.Timeout.Seconds(), r.Deadline.Seconds(), r.Keys})
}

// Restore brings the whole cluster back to a backup: all or nothing. The state that it
// replaces is kept as a backup, Previous of the result.
//
// [ErrNotFound]: there is no such backup. [ErrCommitted]: the restore completes by itself.
// [ErrUnknownOutcome]: the restore may be committed; the epoch of Status tells. After any
// other error nothing has changed.
func (b Backups) Restore(ctx context.Context, r RestoreRequest) (RestoreResult, error) {
	var res RestoreResult
	if err := CheckID(r.ID); err != nil {
		return res, err
	}
	if err := b.judged(ctx, r.Keys); err != nil {
		return res, err
	}
	return res, b.client.backup(ctx, backupCommand{name: "restore", body: r, marked: true}, &res)
}

// byID is the body of commands on one backup.
type byID struct {
	ID string `json:"id"`
}

// signedBy is the body of commands on a backup that keys have signed.
type signedBy struct {
	byID
	Keys []PublicKey `json:"key,omitempty"`
}

// Delete deletes a backup from all DB servers. One that is away removes its piece when it is
// back; it is in Pending of the result. [ErrNotFound]: there is no such backup.
func (b Backups) Delete(ctx context.Context, id string) (DeleteResult, error) {
	var res DeleteResult
	if err := CheckID(id); err != nil {
		return res, err
	}
	return res, b.client.backup(ctx, backupCommand{name: "delete", body: byID{id}}, &res)
}

// List lists all backups, or those with the given ids, complete or not. [ErrNotFound]: there
// is no backup with one of the ids.
func (b Backups) List(ctx context.Context, ids ...string) (ListResult, error) {
	var body any
	if len(ids) > 0 {
		body = struct {
			ID []string `json:"id"`
		}{ids}
	}
	var res ListResult
	return res, b.client.backup(ctx, backupCommand{name: "list", body: body, reads: true}, &res)
}

// Verify has every DB server read its whole piece again and checks the certificate. What is
// wrong is in the result; it is no error. With keys, a backup that none of them has signed is
// not intact. [ErrNotFound]: there is no such backup.
func (b Backups) Verify(ctx context.Context, id string, keys ...PublicKey) (VerifyResult, error) {
	var res VerifyResult
	if err := CheckID(id); err != nil {
		return res, err
	}
	if err := b.judged(ctx, keys); err != nil {
		return res, err
	}
	return res, b.client.backup(ctx, backupCommand{name: "verify", body: signedBy{byID{id}, keys}, reads: true}, &res)
}

// judged returns an error if the coordinator is of a version that does not look at the keys of a
// request: it would take what none of them has signed for good.
func (b Backups) judged(ctx context.Context, keys []PublicKey) error {
	if len(keys) == 0 {
		return nil
	}
	err := b.client.backup(ctx, backupCommand{name: "keys", reads: true}, nil)
	if errors.Is(err, ErrUnsupported) {
		return fmt.Errorf("the coordinator is of a version that checks no signatures, and would refuse nothing: ask one that is upgraded: %w", err)
	}
	return err
}
