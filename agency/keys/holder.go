package keys

import (
	"fmt"
	"time"
)

// Describe names the holder for those whom it keeps out: operation, backup, coordinator, and since
// when. now is the wall clock of the server that says it. The age is the difference of two wall
// clocks, so the text says whose clock it is by.
func (h Holder) Describe(now time.Time) string {
	if h.ID == "" && h.Operation == "" {
		return "an unknown holder"
	}
	return fmt.Sprintf("%s of backup %s on %s since %s%s", h.Operation, h.ID, h.Coordinator, h.Since, ageText(h.Since, now))
}

// Describe names an upload or download for those whom it keeps out, as [Holder.Describe] does.
func (j TransferJob) Describe(now time.Time) string {
	return fmt.Sprintf("%s of backup %s, begun on %s at %s%s", TransferOperation(j.Kind), j.BackupID, j.Coordinator, j.Timestamp, ageText(j.Timestamp, now))
}

// Describe says through which coordinator and when a backup was deleted, for those who ask for it.
func (d Deletion) Describe(now time.Time) string {
	return fmt.Sprintf("deleted through %s at %s%s", d.Coordinator, d.Since, ageText(d.Since, now))
}

// CreatedText says who has created the job and when, for those whom it keeps out.
func (j Job) CreatedText(now time.Time) string {
	if j.Creator == "" && j.TimeCreated == "" {
		return ""
	}
	return fmt.Sprintf(", created by %s at %s%s", j.Creator, j.TimeCreated, ageText(j.TimeCreated, now))
}

// ageText says how long ago a time on another server's clock was, by the clock here; "" if that
// cannot be told.
func ageText(since string, now time.Time) string {
	at, err := time.Parse(time.RFC3339, since)
	if err != nil || now.Before(at) {
		return ""
	}
	return fmt.Sprintf(" (%v ago by the clock here)", now.Sub(at).Round(time.Second))
}

// LockLease is the value of [SupervisionLock]: what is left of the lease of the agency lock, on the
// clock of the supervision, when it looked last.
type LockLease struct {
	Nonce       string  `json:"nonce"` // of the holder; "": the lock has no holder
	LeftSeconds float64 `json:"leftSeconds"`
}
