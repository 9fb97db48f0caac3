package certificate

// Kinds of pieces.
const (
	Hot      = "hot"      // made by a create
	Failsafe = "failsafe" // an engine that a restore set aside; it has no certificate
)

// Piece is what one DB server's part of a backup says of itself: the file META in its
// directory, and the replicas of its MANIFEST.json.
type Piece struct {
	ID                      string   `json:"id"` // of the backup
	Version                 string   `json:"version"`
	DateTime                string   `json:"datetime"`
	Label                   string   `json:"label"`
	Kind                    string   `json:"kind"` // Hot or Failsafe
	ServerID                string   `json:"serverId"`
	Nonce                   string   `json:"nonce"` // of the attempt that made it
	Epoch                   uint64   `json:"epoch"` // restore epoch of the cluster
	Keys                    []Key    `json:"keys"`
	SizeInBytes             int64    `json:"sizeInBytes"`
	NrFiles                 int      `json:"nrFiles"`
	NrDBServers             int      `json:"nrDBServers"` // how many pieces the backup has
	PotentiallyInconsistent bool     `json:"potentiallyInconsistent"`
	LockMode                LockMode `json:"lockMode,omitempty"` // in which all gates were held, as Instant.Mode; "": a failsafe, or of an older version
	CountIncludesFilesOnly  bool     `json:"countIncludesFilesOnly"`
	ManifestSHA256          string   `json:"manifestSha256"` // of the MANIFEST.json with name, size and SHA-256 of every file
	AgencyDumpSHA256        string   `json:"agencyDumpSha256"`
	// Replicas are the replicas in the piece, by shard. META does not have them: they are in
	// the manifest. Pieces of format 1 say nothing of them.
	Replicas map[string]Replica `json:"replicas,omitempty"`
}

// Key is the fingerprint of an encryption key. No piece of this version has one.
type Key struct {
	SHA256 string `json:"sha256"`
}

// Replica is where a replica in a piece stands, as its engine has it.
type Replica struct {
	Last      Position `json:"last"`      // where its log ends
	Committed uint64   `json:"committed"` // up to here it has applied its log
	Copying   bool     `json:"copying,omitempty"`
	// At is the tenure of its record with the number at which the leader's log ended; nil
	// if it has none, or no leader stated anything.
	At *Tenure `json:"at,omitempty"`
}

// Holds says whether a replica has everything up to p and has applied nothing else. It may
// have more in its log, which no leader has contradicted yet.
func (r Replica) Holds(p Position) bool {
	return !r.Copying && r.At != nil && *r.At == p.Tenure && r.Last.Seq >= p.Seq && r.Committed <= p.Seq
}

// Tenure is one time of leadership of a shard: a term, and the leader's reboot id in it.
type Tenure struct {
	Term   uint64 `json:"term"`
	Reboot uint64 `json:"reboot"`
}

// Position names a record of a shard's log.
type Position struct {
	Tenure
	Seq uint64 `json:"seq"`
}
