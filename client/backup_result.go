package client

import (
	"fmt"
	"strings"

	"stasis/client/certificate"
)

// What is known of how a backup was made. Package certificate has the check of it.
type (
	Certificate = certificate.Certificate
	LockReport  = certificate.LockReport
	LockMode    = certificate.LockMode
	Signature   = certificate.Signature
	PublicKey   = certificate.PublicKey // the public half of a key that signs backups
)

// Lock modes of a [CreateRequest].
const (
	LockModeTransactions = certificate.LockModeTransactions
	LockModeCommits      = certificate.LockModeCommits
	LockModeNone         = certificate.LockModeNone
)

// Statuses of a [Signature].
const (
	SignatureValid      = certificate.Signed
	SignatureUnsigned   = certificate.Unsigned
	SignatureUnknownKey = certificate.UnknownKey // it was not checked
	SignatureForged     = certificate.Forged     // it does not hold
)

// CreateResult is the answer to a create.
type CreateResult struct {
	ID                      string     `json:"id"`
	PotentiallyInconsistent bool       `json:"potentiallyInconsistent"` // taken without the global lock
	SizeInBytes             int64      `json:"sizeInBytes"`
	NrFiles                 int        `json:"nrFiles"`
	NrDBServers             int        `json:"nrDBServers"`
	DateTime                string     `json:"datetime"`
	LockReport              LockReport `json:"lockReport"`
	Unpublished             []string   `json:"unpublished,omitempty"` // DB servers that will publish their piece later, by themselves
	SigningKey              string     `json:"signingKey,omitempty"`  // id of the key that has signed the certificate; "": it is not signed
}

// RestoreResult is the answer to a restore.
type RestoreResult struct {
	Previous  string `json:"previous"` // id of the failsafe backup
	IsCluster bool   `json:"isCluster"`

	Signature *Signature `json:"signature,omitempty"` // who has signed what was restored
}

// ShortNames are the names of servers by id: those that they were started with, or else their short names.
type ShortNames map[string]string

// Named names servers for people: "DBServer0002 (PRMR-…), PRMR-…".
func (n ShortNames) Named(ids []string) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = bothNames(n[id], id)
	}
	return strings.Join(out, ", ")
}

// bothNames names a server for people, who know it by either name: "DBServer0002 (PRMR-…)".
func bothNames(short, id string) string {
	if short == "" {
		return id
	}
	return fmt.Sprintf("%s (%s)", short, id)
}

// DeleteResult is the answer to a delete.
type DeleteResult struct {
	ID      []string `json:"id"`
	Pending []string `json:"pending,omitempty"` // DB servers that are away, and remove their piece by themselves when they are back

	ShortNames ShortNames `json:"shortNames,omitempty"` // of the DB servers, if Pending has any
}

// Named names some of the DB servers for people.
func (r DeleteResult) Named(servers []string) string { return r.ShortNames.Named(servers) }

// ListResult is the answer to a list. Unreachable names the DB servers that did not answer
// in time; their pieces count as missing.
type ListResult struct {
	List        map[string]ListedBackup `json:"list"`
	Unreachable []string                `json:"unreachable,omitempty"`

	ShortNames ShortNames `json:"shortNames,omitempty"` // of the DB servers, if some did not answer or pieces are missing
}

// Named names some of the DB servers for people.
func (r ListResult) Named(servers []string) string { return r.ShortNames.Named(servers) }

// ListedBackup is one backup in a list.
type ListedBackup struct {
	ID                      string            `json:"id"`
	Version                 string            `json:"version"`
	DateTime                string            `json:"datetime"`
	Keys                    []certificate.Key `json:"keys"`
	SizeInBytes             int64             `json:"sizeInBytes"`
	NrFiles                 int               `json:"nrFiles"`
	NrDBServers             int               `json:"nrDBServers"`
	NrPiecesPresent         int               `json:"nrPiecesPresent"`
	Available               bool              `json:"available"` // can be restored now
	PotentiallyInconsistent bool              `json:"potentiallyInconsistent"`
	CountIncludesFilesOnly  bool              `json:"countIncludesFilesOnly"`
	BackupNotes
}

// BackupNotes are what a list says beyond the attributes that ArangoDB has.
type BackupNotes struct {
	Kind     string   `json:"kind,omitempty"`     // certificate.Hot or Failsafe
	Missing  []string `json:"missing,omitempty"`  // servers whose piece is not there, as far as known
	LockMode LockMode `json:"lockMode,omitempty"` // in which all gates were held; LockModeNone: they were not; "": its pieces do not say
}

// VerifyResult says what reading a whole backup again found.
type VerifyResult struct {
	ID                      string                 `json:"id"`
	Intact                  bool                   `json:"intact"` // complete, every byte as made, and the certificate holds
	PotentiallyInconsistent bool                   `json:"potentiallyInconsistent"`
	Pieces                  map[string]PieceReport `json:"pieces"` // by the server that holds it
	Problems                []string               `json:"problems"`
	Certificate             *Certificate           `json:"certificate,omitempty"` // nil: a failsafe, or none that the pieces agree on
	Signature               *Signature             `json:"signature,omitempty"`   // who has signed the certificate
}

// PieceReport is one piece in a [VerifyResult].
type PieceReport struct {
	Source   string   `json:"source"` // the server that made it
	Files    int      `json:"files"`
	Bytes    int64    `json:"bytes"`
	Problems []string `json:"problems"`
}
