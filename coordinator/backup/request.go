package backup

import (
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"stasis/internal/apierror"
)

// Defaults and bounds of a CreateRequest.
const (
	DefaultTimeout    = 120 * time.Second
	MinimalTimeout    = 2500 * time.Millisecond // a shorter one is raised to this
	DefaultLockWait   = 500 * time.Millisecond
	DefaultLockGrowth = 1.1

	maxTimeout    = 30 * 24 * time.Hour
	maxLockGrowth = 100
	maxLabel      = 128
)

// labels are what a label may be: it becomes part of a folder's name.
var labels = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// CreateRequest asks for a backup. Zero fields take their default.
//
// Timeout bounds waiting for the agency lock, preparing, and waiting for the gates,
// together. Later phases may take as long as every DB server gets something done;
// Deadline, if it is set, bounds everything up to the commit. The window of the first attempt to hold all gates is LockWait; each later one is
// LockGrowth times as long as the one before.
//
// Force goes on trying for another Timeout. (In this version there are no stream
// transactions that it could abort: what keeps a gate are single writes, which
// end by themselves.) AllowInconsistent goes on without the global lock when it
// cannot be had, and marks the backup for ever.
type CreateRequest struct {
	Label             string // "" means a random one
	Timeout           time.Duration
	Deadline          time.Duration // 0: none
	AllowInconsistent bool
	Force             bool
	LockWait          time.Duration
	LockGrowth        float64
}

func (r CreateRequest) checked() (CreateRequest, error) {
	if r.Label == "" {
		r.Label = uuid.NewString()
	}
	if !labels.MatchString(r.Label) || strings.Contains(r.Label, "..") || len(r.Label) > maxLabel {
		return r, apierror.New(apierror.BadParameter, "label %q: only letters, digits and . _ - are allowed, no two dots in a row, at most %d of them", r.Label, maxLabel)
	}
	r.Timeout = timeoutOrDefault(r.Timeout)
	orDefault(&r.LockWait, DefaultLockWait)
	if r.Deadline < 0 {
		return r, badDeadline("create")
	}
	if r.LockGrowth == 0 {
		r.LockGrowth = DefaultLockGrowth
	}
	if !(r.LockGrowth >= 1 && r.LockGrowth <= maxLockGrowth) {
		return r, apierror.New(apierror.BadParameter, "lockGrowth %v: must be between 1 and %d", r.LockGrowth, maxLockGrowth)
	}
	return r, nil
}

func timeoutOrDefault(d time.Duration) time.Duration {
	orDefault(&d, DefaultTimeout)
	return min(max(d, MinimalTimeout), maxTimeout)
}

// CreateResult is the answer to a create.
type CreateResult struct {
	ID                      string     `json:"id"`
	PotentiallyInconsistent bool       `json:"potentiallyInconsistent"`
	SizeInBytes             int64      `json:"sizeInBytes"`
	NrFiles                 int        `json:"nrFiles"`
	NrDBServers             int        `json:"nrDBServers"`
	DateTime                string     `json:"datetime"`
	LockReport              LockReport `json:"lockReport"`
	Unpublished             []string   `json:"unpublished,omitempty"` // DB servers that will publish their piece later, by themselves
}

// LockReport says what holding all gates at once took, and what it cost writers.
type LockReport struct {
	Attempts           []Attempt `json:"attempts"`
	LockSeconds        float64   `json:"lockSeconds"`        // from the first attempt until all gates were held
	LockHoldSeconds    float64   `json:"lockHoldSeconds"`    // how long all gates were held together: the instant
	GateHoldSeconds    float64   `json:"gateHoldSeconds"`    // the longest that any one gate was closed
	CutSeconds         float64   `json:"cutSeconds"`         // the slowest server's cut, as it measured it
	WritersWaited      int       `json:"writersWaited"`      // behind any gate, over all attempts
	DeadSumSeconds     float64   `json:"deadSumSeconds"`     // sum over those writers
	DeadLongestSeconds float64   `json:"deadLongestSeconds"` // the longest wait of any of them
}

// Attempt is one try to hold all gates at once.
type Attempt struct {
	WindowSeconds  float64           `json:"window"`
	ElapsedSeconds float64           `json:"elapsed"`
	Failed         map[string]string `json:"failed"`     // server → why its gate was not had, or its cut not made
	LastServer     string            `json:"lastServer"` // the last to answer
}

// DeleteResult is the answer to a delete.
type DeleteResult struct {
	ID      []string `json:"id"`
	Pending []string `json:"pending,omitempty"` // DB servers that are away and will remove their piece when they are back, by themselves

	ShortNames map[string]string `json:"shortNames,omitempty"` // of the DB servers, if Pending has any
}

// Named names some of the DB servers for people.
func (r DeleteResult) Named(servers []string) string { return nameAll(r.ShortNames, servers) }

// ListRequest lists all backups, or those with the given ids.
type ListRequest struct {
	IDs []string // nil: all
}

// ListResult is the answer to a list. Unreachable names the DB servers that did
// not answer in time; their pieces count as missing.
type ListResult struct {
	List        map[string]Entry `json:"list"`
	Unreachable []string         `json:"unreachable,omitempty"`

	ShortNames map[string]string `json:"shortNames,omitempty"` // of the DB servers, if some did not answer or pieces are missing
}

// Named names some of the DB servers for people.
func (r ListResult) Named(servers []string) string { return nameAll(r.ShortNames, servers) }

// Entry is one backup in a list.
type Entry struct {
	ID                      string `json:"id"`
	Version                 string `json:"version"`
	DateTime                string `json:"datetime"`
	Keys                    []Key  `json:"keys"`
	SizeInBytes             int64  `json:"sizeInBytes"`
	NrFiles                 int    `json:"nrFiles"`
	NrDBServers             int    `json:"nrDBServers"`
	NrPiecesPresent         int    `json:"nrPiecesPresent"`
	Available               bool   `json:"available"` // can be restored now
	PotentiallyInconsistent bool   `json:"potentiallyInconsistent"`
	CountIncludesFilesOnly  bool   `json:"countIncludesFilesOnly"`
	Notes                          // ours, beyond the reference's
}

// Notes are what a list says beyond the reference's attributes.
type Notes struct {
	Kind    string   `json:"kind,omitempty"`    // "hot" or "failsafe"
	Missing []string `json:"missing,omitempty"` // servers whose piece is not there, as far as known
}

// Key is the fingerprint of an encryption key.
type Key struct {
	SHA256 string `json:"sha256"`
}

// RestoreRequest asks for a restore. Timeout bounds waiting for the agency lock,
// Deadline, if it is set, everything up to the commit.
type RestoreRequest struct {
	ID            string
	IgnoreVersion bool
	Timeout       time.Duration
	Deadline      time.Duration // 0: none
}

// RestoreResult is the answer to a restore.
type RestoreResult struct {
	Previous  string `json:"previous"` // id of the failsafe backup
	IsCluster bool   `json:"isCluster"`
}

// VerifyResult says what re-reading a whole backup found.
type VerifyResult struct {
	ID                      string                 `json:"id"`
	Intact                  bool                   `json:"intact"` // complete, every byte as made, and the certificate holds
	PotentiallyInconsistent bool                   `json:"potentiallyInconsistent"`
	Pieces                  map[string]PieceReport `json:"pieces"` // by the server that holds it
	Problems                []string               `json:"problems"`
	Certificate             *Certificate           `json:"certificate,omitempty"`
}

// PieceReport is one piece in a VerifyResult.
type PieceReport struct {
	Source   string   `json:"source"` // the server that made it
	Files    int      `json:"files"`
	Bytes    int64    `json:"bytes"`
	Problems []string `json:"problems"`
}

// seconds is a duration as the wire has it.
func seconds(d time.Duration) float64 { return d.Seconds() }

// duration reads the wire's seconds; what no Duration can hold is cut off.
func duration(s float64) time.Duration {
	if s >= maxTimeout.Seconds() {
		return maxTimeout
	}
	return time.Duration(math.Round(s * float64(time.Second)))
}
