package list

import "stasis/coordinator/backup/topology"

// Request lists all backups, or those with the given ids.
type Request struct {
	IDs []string // nil: all
}

// Result is the answer to a list. Unreachable names the DB servers that did not answer in
// time; their pieces count as missing.
type Result struct {
	List        map[string]Entry `json:"list"`
	Unreachable []string         `json:"unreachable,omitempty"`

	ShortNames map[string]string `json:"shortNames,omitempty"` // of the DB servers, if some did not answer or pieces are missing
}

// Named names some of the DB servers for people.
func (r Result) Named(servers []string) string { return topology.NameAll(r.ShortNames, servers) }

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
	Notes
}

// Notes are the attributes of an entry that ArangoDB does not have.
type Notes struct {
	Kind    string   `json:"kind,omitempty"`    // "hot" or "failsafe"
	Missing []string `json:"missing,omitempty"` // servers whose piece is missing, as far as known
}

// Key is the fingerprint of an encryption key.
type Key struct {
	SHA256 string `json:"sha256"`
}
