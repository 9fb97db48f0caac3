package certificate

import (
	"encoding/json"
	"fmt"
)

// Format is the format number of certificates written now. Format 1 has no statements of
// the leaders.
const (
	Format           = 2
	formatStatements = 2
)

// Certificate is the evidence that a backup is one instant. It is stored in every piece,
// and its hash in the agency, before the backup is committed.
//
// All moments are seconds on the coordinator's monotonic clock since Began, so they can be
// compared with each other and with nothing else.
type Certificate struct {
	Format      int    `json:"format"`
	ID          string `json:"id"`
	DateTime    string `json:"datetime"`
	Nonce       string `json:"nonce"`
	Coordinator string `json:"coordinator"`
	Began       string `json:"began"` // the coordinator's wall clock, for people

	Agency  AgencyEvidence            `json:"agency"`
	Instant Instant                   `json:"instant"`
	Servers map[string]ServerEvidence `json:"servers"`
	History History                   `json:"history"`

	// Shards is what the leader of each shard stated inside the instant: which replicas had
	// every acknowledged write, and where the log ended. For a backup that is potentially
	// inconsistent, it has only the statements that the pieces confirm.
	Shards map[string]Statement `json:"shards,omitempty"`

	PotentiallyInconsistent bool `json:"potentiallyInconsistent"`

	// SigningKey is the id of the key of the cluster with which the certificate is signed, ""
	// if it is not. Signature stays the last member: see Sign.
	SigningKey string `json:"signingKey,omitempty"`
	Signature  string `json:"signature,omitempty"`
}

// AgencyEvidence names the Plan of the backup: that of Index. Plan cannot have changed from the
// index at which the agency lock was written until it was thawed. The thaw was asked for at
// ThawAsked, after the instant; 0 means that Plan was frozen until the commit.
type AgencyEvidence struct {
	ClusterID  string `json:"clusterId"`
	Index      uint64 `json:"index"`
	Term       uint64 `json:"term"`
	Epoch      uint64 `json:"epoch"`
	DumpSHA256 string `json:"dumpSha256"` // of the dump in canonical JSON

	ThawAsked float64 `json:"thawAsked,omitempty"`
}

// Instant is the interval in which all gates were held together.
type Instant struct {
	LockMode LockMode `json:"lockMode"` // in which they were held: LockModeGates, LockModeCommits, or LockModeNone if they were not
	From     float64  `json:"from"`     // the last gate was granted
	To       float64  `json:"to"`       // the first gate was about to be released
}

// Mode is the mode by the name that a create is asked with.
func (i Instant) Mode() LockMode {
	if i.LockMode == LockModeGates {
		return LockModeTransactions
	}
	return i.LockMode
}

// HeldIn is the instant from..to of a create with that mode.
func HeldIn(m LockMode, from, to float64) Instant {
	return Instant{LockMode: m.asCertified(), From: from, To: to}
}

// ServerEvidence is one server's part.
type ServerEvidence struct {
	LockAsked    float64 `json:"lockAsked"`
	Granted      float64 `json:"granted"` // its answer had arrived
	CutAsked     float64 `json:"cutAsked"`
	CutDone      float64 `json:"cutDone"` // its answer had arrived
	ReleaseAsked float64 `json:"releaseAsked"`

	Gate  Gate          `json:"gate"` // what the server states about its gate
	Piece PieceEvidence `json:"piece"`
}

// Gate is what a server says of its gate. The dead times cover all attempts of one create.
type Gate struct {
	Unbroken           bool    `json:"unbroken"` // it was held by this attempt without a break from the grant to the release
	HeldSeconds        float64 `json:"heldSeconds"`
	GrantedAt          string  `json:"grantedAt,omitempty"`  // this server's wall clock, for people
	ReleasedAt         string  `json:"releasedAt,omitempty"` // this server's wall clock, for people
	WritersWaited      int     `json:"writersWaited"`
	DeadSumSeconds     float64 `json:"deadSumSeconds"`     // sum over writers of the time they queued
	DeadLongestSeconds float64 `json:"deadLongestSeconds"` // the longest any writer queued
	Reason             string  `json:"reason,omitempty"`   // why not unbroken

	DeadP99Seconds float64 `json:"deadP99Seconds,omitempty"` // of the times that writers queued
	// Attempt is the attempt of which this was told. 0: the server does not remember the create, so
	// how long writers waited is unknown.
	Attempt uint64 `json:"attempt,omitempty"`

	LockMode LockMode `json:"lockMode,omitempty"` // in which it was held; "": LockModeTransactions, by a server that knows no other
}

// PieceEvidence identifies a piece by its contents.
type PieceEvidence struct {
	SizeInBytes      int64  `json:"sizeInBytes"`
	NrFiles          int    `json:"nrFiles"`
	ManifestSHA256   string `json:"manifestSha256"`
	AgencyDumpSHA256 string `json:"agencyDumpSha256"` // of the file as stored
}

// Encode returns the certificate as it is stored.
func (c *Certificate) Encode() (json.RawMessage, error) {
	return encode(c)
}

// Parse reads a stored certificate.
func Parse(raw json.RawMessage) (*Certificate, error) {
	var c Certificate
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	return &c, nil
}
