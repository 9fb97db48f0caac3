package client

import (
	"context"
	"encoding/binary"
	"errors"

	"stasis/client/certificate"
)

// Paths between the replicas of a shard.
const (
	PathPromise = PathPrefix + "/shards/{shard}/promise" // Tenure → ReplicaAnswer
	PathAccept  = PathPrefix + "/shards/{shard}/accept"  // AcceptRequest → ReplicaAnswer
	PathCopy    = PathPrefix + "/shards/{shard}/copy"    // CopyRequest → ReplicaAnswer
	PathLog     = PathPrefix + "/shards/{shard}/log"     // LogRequest → LogResponse
)

// Where a shard's log stands. Certificates name records in the same way.
type (
	Tenure   = certificate.Tenure   // one time of leadership: a term, and the leader's reboot id in it
	Position = certificate.Position // a record of a shard's log
)

// ReplicaState is where a replica stands.
type ReplicaState struct {
	Promised  Tenure   `json:"promised"`
	Last      Position `json:"last"`
	Committed uint64   `json:"committed"`
	Count     uint64   `json:"count"`
	Revision  string   `json:"revision,omitempty"`
	Copying   bool     `json:"copying,omitempty"`
}

// Refusal is why a replica did not do what it was asked.
type Refusal string

// Refusals.
const (
	RefusedOld Refusal = "old" // a later tenure is known
	RefusedGap Refusal = "gap" // the records do not continue its log, or no copy has begun
)

// ReplicaAnswer is where a replica stands now, and the reboot id of its process.
type ReplicaAnswer struct {
	Refused  Refusal      `json:"refused,omitempty"`
	Why      string       `json:"why,omitempty"`
	State    ReplicaState `json:"state"`
	RebootID uint64       `json:"rebootId"`
	Session  string       `json:"session,omitempty"` // of a copy that has begun
}

// AcceptRequest has a follower append the records after Prev. Records are encoded
// one after the other, each with its length before it (see Blobs).
type AcceptRequest struct {
	Tenure  Tenure   `json:"tenure"`
	Prev    Position `json:"prev"`
	Records []byte   `json:"records,omitempty"`
	Commit  uint64   `json:"commit"`
	Sync    bool     `json:"sync,omitempty"`
}

// CopyRequest brings a part of a copy. A request with Begin alone has the replica prepare to
// take one; the answer has the session that all others show. Entries are keys and values in
// turn (see Blobs), in the order of the keys. End says where the replica stands then, and
// Sum what its checksum is; what does not agree with that leaves the replica as it was.
// Copy numbers the copies of a tenure: parts of earlier ones, which may come late, are
// refused.
type CopyRequest struct {
	Tenure  Tenure        `json:"tenure"`
	Copy    uint64        `json:"copy"`
	Session string        `json:"session,omitempty"`
	Begin   bool          `json:"begin,omitempty"`
	Entries []byte        `json:"entries,omitempty"`
	End     *ReplicaState `json:"end,omitempty"`
	Sum     uint64        `json:"sum,omitempty"`
}

// LogRequest asks a replica for its records from a number on, which is at least 1.
type LogRequest struct {
	From uint64 `json:"from"`
}

// LogResponse has the records after Prev; Gone: the log no longer reaches back.
type LogResponse struct {
	Prev    Position `json:"prev"`
	Records []byte   `json:"records,omitempty"`
	Gone    bool     `json:"gone,omitempty"`
}

// Promise has a replica refuse everything of earlier tenures from now on.
func (c *Client) Promise(ctx context.Context, t Target, shard string, r Tenure) (ReplicaAnswer, error) {
	return call[ReplicaAnswer](ctx, c, t, onShard(PathPromise, shard), r)
}

// Accept has a follower append and commit.
func (c *Client) Accept(ctx context.Context, t Target, shard string, r AcceptRequest) (ReplicaAnswer, error) {
	return call[ReplicaAnswer](ctx, c, t, onShard(PathAccept, shard), r)
}

// Copy brings a replica a part of a copy.
func (c *Client) Copy(ctx context.Context, t Target, shard string, r CopyRequest) (ReplicaAnswer, error) {
	return call[ReplicaAnswer](ctx, c, t, onShard(PathCopy, shard), r)
}

// Log reads a replica's log.
func (c *Client) Log(ctx context.Context, t Target, shard string, r LogRequest) (LogResponse, error) {
	return call[LogResponse](ctx, c, t, onShard(PathLog, shard), r)
}

var errBlobs = errors.New("a blob is shorter than it says")

// AppendBlob adds a blob, its length before it.
func AppendBlob(to, blob []byte) []byte {
	return append(binary.AppendUvarint(to, uint64(len(blob))), blob...)
}

// Blobs splits what [AppendBlob] has put together. Nothing is copied.
func Blobs(b []byte) (all [][]byte, err error) {
	for len(b) > 0 {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return nil, errBlobs
		}
		end := size + int(n)
		all, b = append(all, b[size:end:end]), b[end:]
	}
	return all, nil
}
