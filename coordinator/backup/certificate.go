package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	dbserver "stasis/dbserver/client"
	"stasis/internal/failpoint"
)

// CertificateFormat is the format number of certificates written now. Format 1 has no
// statements of the leaders.
const (
	CertificateFormat = 2
	formatStatements  = 2
)

// Lock modes of a certificate.
const (
	LockModeGates = "gates" // every gate was held exclusively
	LockModeNone  = "none"  // no gate was asked for, or the global lock could not be had
)

// clockTolerance is how much two monotonic clocks may differ in rate, and
// clockGrain how coarse they may be in seconds, before evidence counts as
// contradictory.
const (
	clockTolerance = 0.01
	clockGrain     = 0.005
)

// Certificate is the evidence that a backup is one instant. It is stored in every
// piece, and its hash in the agency, before the backup is committed; Problems
// and PieceProblems check it again at any time, without a cluster.
//
// All moments are seconds on the coordinator's monotonic clock since Began, so
// they can be compared with each other and with nothing else. The argument: on
// every server the gate was granted before From (the coordinator had the answer),
// the cut lies between From and To (asked for after From, answered before To), and
// the gate was released after To (asked for after To), having been held without a
// break all the time, as the server itself says. So all gates were held together
// over [From, To], no write was in flight anywhere in it, and every cut is in it.
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
	// every acknowledged write, and where the log ended. Of a backup that is potentially
	// inconsistent it has those that the pieces bear out.
	Shards map[string]dbserver.ShardStatement `json:"shards,omitempty"`

	PotentiallyInconsistent bool `json:"potentiallyInconsistent"`
}

// AgencyEvidence says which Plan the backup has: that of Index, which cannot have
// changed since the agency lock was written there, until Plan was thawed. That was asked
// for at ThawAsked, after the instant; 0: Plan was frozen until the commit.
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
	LockMode string  `json:"lockMode"`
	From     float64 `json:"from"` // the last gate was granted
	To       float64 `json:"to"`   // the first gate was about to be released
}

// History says how the instant was reached.
type History struct {
	Lock  LockReport     `json:"lock"`
	Steps []StepDuration `json:"steps"`
}

// ServerEvidence is one server's part.
type ServerEvidence struct {
	LockAsked    float64 `json:"lockAsked"`
	Granted      float64 `json:"granted"` // its answer was here
	CutAsked     float64 `json:"cutAsked"`
	CutDone      float64 `json:"cutDone"` // its answer was here
	ReleaseAsked float64 `json:"releaseAsked"`

	Gate  dbserver.GateReleaseResponse `json:"gate"` // what the server says of its gate
	Piece PieceEvidence                `json:"piece"`
}

// PieceEvidence identifies a piece by what is in it.
type PieceEvidence struct {
	SizeInBytes      int64  `json:"sizeInBytes"`
	NrFiles          int    `json:"nrFiles"`
	ManifestSHA256   string `json:"manifestSha256"`
	AgencyDumpSHA256 string `json:"agencyDumpSha256"` // of the file as stored
}

// Problems says what in the evidence does not show that the backup is one
// instant; none for a good one.
func (c *Certificate) Problems() []string {
	var out []string
	if c.Format < 1 || c.Format > CertificateFormat {
		return []string{fmt.Sprintf("certificate of format %d is not known here", c.Format)}
	}
	if len(c.Servers) == 0 {
		out = append(out, "the certificate names no server")
	}
	if c.Instant.LockMode != LockModeGates {
		return append(out, "the global lock was not held (lock mode "+c.Instant.LockMode+")")
	}
	if c.Instant.From > c.Instant.To {
		out = append(out, "there is no moment at which all gates were held")
	}
	if thawed := c.Agency.ThawAsked; thawed != 0 && thawed < c.Instant.To {
		out = append(out, "Plan was thawed before the instant ended")
	}
	for _, id := range slices.Sorted(maps.Keys(c.Servers)) {
		if why := c.Servers[id].problem(c.Instant); why != "" {
			out = append(out, id+": "+why)
		}
	}
	return out
}

func (e ServerEvidence) problem(i Instant) string {
	held := e.Gate.HeldSeconds*(1+clockTolerance) + clockGrain
	switch {
	case !e.Gate.Unbroken && !failpoint.Off("certificate-unbroken"):
		return "the gate was not held without a break: " + orUnknown(e.Gate.Reason)
	case e.Granted > i.From:
		return "the gate was granted after the instant began"
	case e.CutAsked < i.From || e.CutDone < e.CutAsked || e.CutDone > i.To:
		return "the cut is outside the instant"
	case e.ReleaseAsked < i.To:
		return "the gate was released before the instant ended"
	case failpoint.Off("certificate-held-long-enough"):
	case math.IsNaN(held) || held < e.ReleaseAsked-e.Granted:
		return fmt.Sprintf("the gate says it was held for %.6f s, which is less than %.6f s", e.Gate.HeldSeconds, e.ReleaseAsked-e.Granted)
	}
	return ""
}

func orUnknown(s string) string {
	if s == "" {
		return "no reason given"
	}
	return s
}

// PieceProblems compares pieces, by the server that made them and with their replicas, with
// the certificate; none if they are exactly those it was made for.
func (c *Certificate) PieceProblems(pieces map[string]dbserver.Piece) []string {
	var out []string
	dump := ""
	for _, id := range slices.Sorted(maps.Keys(c.Servers)) {
		p, ok := pieces[id]
		if !ok {
			out = append(out, "the piece of "+id+" is missing")
			continue
		}
		for _, why := range c.pieceProblems(p, c.Servers[id].Piece) {
			out = append(out, id+": "+why)
		}
		if dump == "" {
			dump = p.AgencyDumpSHA256
		} else if p.AgencyDumpSHA256 != dump {
			out = append(out, id+": its agency dump is not that of the other pieces")
		}
	}
	for _, id := range slices.Sorted(maps.Keys(pieces)) {
		if _, ok := c.Servers[id]; !ok {
			out = append(out, id+": its piece is not part of the backup")
		}
	}
	return append(out, c.replicaProblems(pieces)...)
}

func (c *Certificate) pieceProblems(p dbserver.Piece, want PieceEvidence) []string {
	var out []string
	check := func(good bool, why string) {
		if !good {
			out = append(out, why)
		}
	}
	check(p.ID == c.ID, "the piece is of backup "+p.ID)
	check(p.Nonce == c.Nonce, "the piece was made by another attempt")
	check(p.Epoch == c.Agency.Epoch, fmt.Sprintf("the piece is of epoch %d, not %d", p.Epoch, c.Agency.Epoch))
	check(p.NrDBServers == len(c.Servers), fmt.Sprintf("the piece is one of %d, not of %d", p.NrDBServers, len(c.Servers)))
	check(p.PotentiallyInconsistent == c.PotentiallyInconsistent, "piece and certificate differ in whether the backup is potentially inconsistent")
	check(p.ManifestSHA256 == want.ManifestSHA256 && p.ManifestSHA256 != "", "the manifest is not the one that was certified")
	check(p.AgencyDumpSHA256 == want.AgencyDumpSHA256 && p.AgencyDumpSHA256 != "", "the agency dump is not the one that was certified")
	check(p.SizeInBytes == want.SizeInBytes && p.NrFiles == want.NrFiles, "size or number of files differ from what was certified")
	return out
}

// Encode is the certificate as it is stored.
func (c *Certificate) Encode() (json.RawMessage, error) {
	return dbserver.Encode(c)
}

// ParseCertificate reads a stored certificate.
func ParseCertificate(raw json.RawMessage) (*Certificate, error) {
	var c Certificate
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	return &c, nil
}

// hashJSON is the SHA-256 of a value's canonical JSON: sorted keys, no blanks,
// numbers as written. It does not change when the value is stored and sent on by
// somebody who formats it differently.
func hashJSON(v any) (string, error) {
	raw, err := dbserver.Encode(v)
	if err != nil {
		return "", err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return "", err
	}
	canonical, err := dbserver.Encode(tree)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}
