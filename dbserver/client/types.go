// Package client is the wire between coordinators and a DB server: request and
// answer types, paths, and a typed HTTP client. The server imports the types
// from here, so both ends are read side by side.
//
// All requests are POST with JSON bodies below PathPrefix. Requests that touch
// data or backups carry the restore epoch in the header EpochHeader; a server
// refuses another epoch than its own with apierror.WrongEpoch. Listing and what
// undoes (gate/release, backup/drop, restore/drop) are answered whatever the epoch,
// also while data is shut. Durations are seconds.
//
// A refusal (ShardGone, WrongEpoch, StartingUp, ShuttingDown, ServiceUnavailable)
// means that nothing was applied; ConnectionLost and Internal mean that the
// outcome is unknown.
package client

import (
	"encoding/json"
	"time"

	"stasis/client/certificate"
	"stasis/internal/apierror"
	"stasis/internal/budget"
)

// Paths. {shard} stands for a shard's name.
const (
	PathPrefix   = "/_stasis/v1"
	PathDocs     = PathPrefix + "/shards/{shard}/documents" // DocumentsRequest → DocumentsResponse
	PathScan     = PathPrefix + "/shards/{shard}/scan"      // ScanRequest → ScanResponse
	PathCount    = PathPrefix + "/shards/{shard}/count"     // {} → CountResponse
	PathTruncate = PathPrefix + "/shards/{shard}/truncate"  // TruncateRequest → {}
	PathChecksum = PathPrefix + "/shards/{shard}/checksum"  // ChecksumRequest → ChecksumResponse

	PathGateLock    = PathPrefix + "/gate/lock"      // GateLockRequest, beats → GateEvents, see GateLock; 18 when the window ended
	PathGateRelease = PathPrefix + "/gate/release"   // GateReleaseRequest → GateReleaseResponse
	PathPrepare     = PathPrefix + "/backup/prepare" // PieceRequest → {}
	PathCut         = PathPrefix + "/backup/cut"     // CutRequest → CutResponse
	PathLink        = PathPrefix + "/backup/link"    // LinkRequest → Piece
	PathSeal        = PathPrefix + "/backup/seal"    // SealRequest → {}
	PathPublish     = PathPrefix + "/backup/publish" // PieceRequest → {}; 7011 unless its backup is committed
	PathDrop        = PathPrefix + "/backup/drop"    // PieceRequest → {}; removes a pending piece, no error if there is none
	PathList        = PathPrefix + "/backup/list"    // ListRequest → ListResponse
	PathDelete      = PathPrefix + "/backup/delete"  // PieceRequest (nonce unused) → {}; 14 if unknown; 7011 unless the agency says that it goes
	PathVerify      = PathPrefix + "/backup/verify"  // PieceRequest (nonce unused) → VerifyResponse
	PathStage       = PathPrefix + "/restore/stage"  // StageRequest → {}; 7011 unless its nonce holds the agency lock
	PathUnstage     = PathPrefix + "/restore/drop"   // UnstageRequest → {}; 7011 if its restore is committed

	EpochHeader = "X-Stasis-Epoch"
)

// OpKind is what an Op does to a document.
type OpKind string

// Kinds of Op.
const (
	OpRead    OpKind = "read"
	OpInsert  OpKind = "insert"
	OpReplace OpKind = "replace"
	OpUpdate  OpKind = "update"
	OpRemove  OpKind = "remove"
)

// OverwriteMode is what an insert does when the key exists.
type OverwriteMode string

// Overwrite modes; "" is OverwriteConflict.
const (
	OverwriteConflict OverwriteMode = "conflict"
	OverwriteIgnore   OverwriteMode = "ignore"
	OverwriteReplace  OverwriteMode = "replace"
	OverwriteUpdate   OverwriteMode = "update"
)

// Op is one document operation on a shard. Document is the body without _id and
// _rev; the server sets _key, _id and _rev.
type Op struct {
	Kind          OpKind          `json:"kind"`
	Key           string          `json:"key"`
	Document      json.RawMessage `json:"document,omitempty"`
	IfMatch       string          `json:"ifMatch,omitempty"`     // the stored revision must be this; else Conflict with Rev set
	IfNoneMatch   string          `json:"ifNoneMatch,omitempty"` // reads: NotModified instead of the document
	OverwriteMode OverwriteMode   `json:"overwriteMode,omitempty"`
	DropNulls     bool            `json:"dropNulls,omitempty"`     // update: null removes the attribute (keepNull=false)
	ReplaceNested bool            `json:"replaceNested,omitempty"` // update: nested objects are replaced, not merged (mergeObjects=false)
}

// DocumentsRequest applies Ops in order; each is atomic, and independent of the
// others: one that fails has its error in its result.
type DocumentsRequest struct {
	Collection  string `json:"collection"` // its name, for _id
	Ops         []Op   `json:"ops"`
	WaitForSync bool   `json:"waitForSync,omitempty"`
	ReturnOld   bool   `json:"returnOld,omitempty"`
	ReturnNew   bool   `json:"returnNew,omitempty"`

	// Account is what the results count to while the request is served; it is not sent.
	Account *budget.Account `json:"-"`
}

// OpResult is what became of one Op. With a Conflict error Rev is the stored
// document's revision.
type OpResult struct {
	Key         string          `json:"key,omitempty"`
	Rev         string          `json:"rev,omitempty"`
	OldRev      string          `json:"oldRev,omitempty"`
	Old         json.RawMessage `json:"old,omitempty"`
	New         json.RawMessage `json:"new,omitempty"` // reads: the document
	Created     bool            `json:"created,omitempty"`
	Ignored     bool            `json:"ignored,omitempty"` // OverwriteIgnore met an existing document
	NotModified bool            `json:"notModified,omitempty"`
	Error       *apierror.Error `json:"error,omitempty"`
}

// DocumentsResponse has one result per Op, in order, at least one. If they return
// documents it may stop before the last of Ops: what has no result has not been done.
// Synced: all writes are on disk.
type DocumentsResponse struct {
	Results []OpResult `json:"results"`
	Synced  bool       `json:"synced"`
}

// ScanRequest reads documents in key order (bytewise), those after After.
type ScanRequest struct {
	After string `json:"after,omitempty"`
	Limit int    `json:"limit"`
}

// ScanResponse is one page; More says that another follows. PrevKey is the key of the
// document before the last, so that a reader can leave the last one for later.
type ScanResponse struct {
	Documents []json.RawMessage `json:"documents"`
	PrevKey   string            `json:"prevKey,omitempty"`
	LastKey   string            `json:"lastKey,omitempty"`
	More      bool              `json:"more"`
}

// CountResponse is a shard's number of documents and the highest revision given.
type CountResponse struct {
	Count    uint64 `json:"count"`
	Revision string `json:"revision"`
}

// TruncateRequest removes all documents of a shard, as one write.
type TruncateRequest struct {
	WaitForSync bool `json:"waitForSync,omitempty"`
}

// Roles of a server for a shard.
const (
	RoleLeader   = "leader"
	RoleFollower = "follower"
)

// ChecksumRequest asks what is in a shard. Without Replica only the server that
// leads the shard and may serve answers, for the state of one moment between
// writes; with Replica any server answers for what it holds.
type ChecksumRequest struct {
	Replica bool `json:"replica,omitempty"`
}

// ChecksumResponse describes the documents of a shard, their revisions included.
// Checksum is 16 hex digits; it does not depend on the order of the documents, and
// those of several shards add up modulo 2^64. Term and Seq are the position of the
// last write in the log, Committed the seq up to which writes are acknowledged.
type ChecksumResponse struct {
	Checksum  string `json:"checksum"`
	Count     uint64 `json:"count"`
	Revision  string `json:"revision"` // the highest given
	Term      uint64 `json:"term"`
	Seq       uint64 `json:"seq"`
	Committed uint64 `json:"committed"`
	Role      string `json:"role"` // RoleLeader or RoleFollower
	Copying   bool   `json:"copying,omitempty"`
}

// Bounds of a GateLockRequest. Writers queue all through a window, so longer ones
// help nobody. A coordinator asks for a lease of its window, of the deadline of a cut
// (1 s by default) and of a few silences; a minute is more than it needs beside the window.
const (
	MaxGateWindow = 5 * time.Minute
	MaxGateLease  = MaxGateWindow + time.Minute
)

// The request that asks for the gate holds it, too. Its body is a GateLockRequest in a
// line, and then an empty line, a beat, every GateBeat. The answer is a GateEvent for
// each beat, and those that say what became of the lock, a line each. The server opens the
// gate when it has had no beat for GateSilence, or when the request ends; the coordinator
// gives the attempt up when it has had no event for so long.
const (
	GateBeat    = 100 * time.Millisecond
	GateSilence = 500 * time.Millisecond
)

// GateEvent is a line of the answer to GateLockRequest. Without attributes it answers a beat.
type GateEvent struct {
	Granted *GateLockResponse `json:"granted,omitempty"` // the gate is held from now on
	Ended   *apierror.Error   `json:"ended,omitempty"`   // the last event: not granted, or lost
	Opened  bool              `json:"opened,omitempty"`  // the last event: released
}

// GateLockRequest asks for the gate exclusively, for Nonce, waiting at most
// Window, holding at most Lease from the grant. Attempt counts from 1 under the nonce.
type GateLockRequest struct {
	ID            string  `json:"id"`
	Nonce         string  `json:"nonce"`
	Attempt       uint64  `json:"attempt"`
	WindowSeconds float64 `json:"windowSeconds"`
	LeaseSeconds  float64 `json:"leaseSeconds"`
}

// GateLockResponse says how long the lock waited.
type GateLockResponse struct {
	WaitedSeconds float64 `json:"waitedSeconds"`
}

// GateReleaseRequest opens the gate if this attempt holds or waits for it. With Final
// it stands for all attempts, and a lock for Nonce that arrives later is refused.
type GateReleaseRequest struct {
	ID      string `json:"id"`
	Nonce   string `json:"nonce"`
	Attempt uint64 `json:"attempt"`
	Final   bool   `json:"final,omitempty"`
}

// GateReleaseResponse is the evidence. The dead times cover all attempts under this nonce
// so far, since the last release.
type GateReleaseResponse = certificate.Gate

// Work that may take any time (prepare, link, stage, verify) is answered by LongEvents, a
// line each: how far it is every ProgressEvery, and at last its answer or error.
const (
	ProgressEvery    = time.Second
	ProgressPatience = 10 * time.Second // what a client that does not read them is waited for
)

// Progress says what a server is doing, and counts what of it it has done: calls of its
// file system that have returned. While it hangs, it is the same each time.
type Progress struct {
	Doing string `json:"doing,omitempty"`
	Done  uint64 `json:"done,omitempty"`
}

// LongEvent is a line of the answer to a request for long work. The last one has Answer or
// Error.
type LongEvent struct {
	Progress
	Answer json.RawMessage `json:"answer,omitempty"`
	Error  *apierror.Error `json:"error,omitempty"`
}

// PieceRequest names a backup and the attempt that makes it.
type PieceRequest struct {
	ID    string `json:"id"`
	Nonce string `json:"nonce,omitempty"`
}

// CutRequest fixes the cut. With Unprotected the gate is not asked for (the
// backup will be marked potentially inconsistent); otherwise the nonce must hold it.
type CutRequest struct {
	ID              string  `json:"id"`
	Nonce           string  `json:"nonce"`
	Attempt         uint64  `json:"attempt,omitempty"` // that holds the gate
	DeadlineSeconds float64 `json:"deadlineSeconds"`   // CutMissed when the engine needs longer
	Unprotected     bool    `json:"unprotected,omitempty"`
}

// CutResponse says how long fixing the cut took, what this server states about the
// shards that it leads, and up to where the logs of its other replicas went before the cut.
type CutResponse struct {
	CutSeconds float64           `json:"cutSeconds"`
	Statements []ShardStatement  `json:"statements,omitempty"`
	Logs       map[string]uint64 `json:"logs,omitempty"` // shard → number of the last record
}

// ShardStatement is what the leader of a shard states at the cut.
type ShardStatement = certificate.Statement

// LinkRequest waits for the links of the cut, writes Plan dump and META, and
// makes the pending piece durable.
type LinkRequest struct {
	ID                      string          `json:"id"`
	Nonce                   string          `json:"nonce"`
	DateTime                string          `json:"datetime"`
	Label                   string          `json:"label"`
	NrDBServers             int             `json:"nrDBServers"`
	PotentiallyInconsistent bool            `json:"potentiallyInconsistent"`
	AgencyDump              json.RawMessage `json:"agencyDump"` // AgencyDump
	// Statements are those of all leaders: they go into the piece's manifest.
	Statements []ShardStatement `json:"statements,omitempty"`
}

// AgencyDump is stored with every piece. Dump is the reference's:
// [{"arango":{"Plan":{…},"Sync":{"LatestID":n}}}].
type AgencyDump struct {
	ClusterID string          `json:"clusterId"`
	Index     uint64          `json:"index"` // the tree's index
	Term      uint64          `json:"term"`  // Raft's
	Dump      json.RawMessage `json:"dump"`
}

// What a piece says of itself. It is part of the evidence that anyone can check.
type (
	Piece         = certificate.Piece
	PieceReplica  = certificate.Replica
	EncryptionKey = certificate.Key
)

// Kinds of pieces.
const (
	PieceHot      = certificate.Hot
	PieceFailsafe = certificate.Failsafe
)

// SealRequest stores the certificate in the pending piece, durably.
type SealRequest struct {
	ID          string          `json:"id"`
	Nonce       string          `json:"nonce"`
	Certificate json.RawMessage `json:"certificate"`
}

// ListRequest lists published pieces; all, or those with these ids.
type ListRequest struct {
	IDs         []string `json:"ids,omitempty"`
	WithDetails bool     `json:"withDetails,omitempty"` // adds agency dump and certificate
}

// ListResponse has the published pieces; half-made ones are never listed.
type ListResponse struct {
	Server string        `json:"server"`
	Epoch  uint64        `json:"epoch"`
	Pieces []PieceDetail `json:"pieces"`
}

// PieceDetail is a piece and, if asked for, what is stored with it.
type PieceDetail struct {
	Piece
	AgencyDump  *AgencyDump     `json:"agencyDump,omitempty"`
	Certificate json.RawMessage `json:"certificate,omitempty"`
}

// VerifyResponse says what a check of every file of a piece found.
type VerifyResponse struct {
	Piece       Piece           `json:"piece"`
	Certificate json.RawMessage `json:"certificate,omitempty"`
	Files       int             `json:"files"`
	Bytes       int64           `json:"bytes"`
	Problems    []string        `json:"problems"` // empty: intact
}

// StatementsByShard gives the numbers at which the leaders' logs ended.
func StatementsByShard(all []ShardStatement) map[string]uint64 {
	seqs := make(map[string]uint64, len(all))
	for _, s := range all {
		seqs[s.Shard] = s.Last.Seq
	}
	return seqs
}

// StageRequest links the piece of backup ID made by server Source into
// engine.restore-<epoch>, checks that it opens, and marks it with Epoch and
// Nonce. Empty stages an engine without shards. What was staged before is
// replaced. FailsafeID and FailsafeDump are kept beside it, for the engine that
// will be set aside.
type StageRequest struct {
	ID           string          `json:"id"`
	Source       string          `json:"source"`
	Empty        bool            `json:"empty,omitempty"`
	Epoch        uint64          `json:"epoch"`
	Nonce        string          `json:"nonce"`
	FailsafeID   string          `json:"failsafeId"`
	FailsafeTime string          `json:"failsafeTime"` // datetime of the failsafe backup
	NrDBServers  int             `json:"nrDBServers"`  // of the cluster now: the failsafe's number of pieces
	FailsafeDump json.RawMessage `json:"failsafeDump"` // AgencyDump
	// Statements are those that the backup's certificate has of the shards that Source had
	// a replica of: what each replica was at the cut is written into the staged engine.
	Statements []ShardStatement `json:"statements,omitempty"`
}

// UnstageRequest removes what this nonce staged; no error if there is none.
type UnstageRequest struct {
	Epoch uint64 `json:"epoch"`
	Nonce string `json:"nonce"`
}
