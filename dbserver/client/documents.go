package client

import (
	"context"
	"encoding/json"
	"time"

	"stasis/internal/apierror"
	"stasis/internal/budget"
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
	ShardKeys     []string        `json:"shardKeys,omitempty"`     // update, replace: attributes whose values stay as they are; else ShardKeysChanged
}

// DocumentsRequest applies Ops in order; each is atomic, and independent of the
// others: one that fails has its error in its result.
type DocumentsRequest struct {
	Collection  string `json:"collection"` // its name, for _id
	Ops         []Op   `json:"ops"`
	WaitForSync bool   `json:"waitForSync,omitempty"`
	ReturnOld   bool   `json:"returnOld,omitempty"`
	ReturnNew   bool   `json:"returnNew,omitempty"`

	// Transaction is the part on this server of the transaction that the operations belong to. What they write stays there
	// until the transaction commits. With Whole the part takes the whole shard first (a collection that is declared exclusive).
	Transaction *TxnPart `json:"transaction,omitempty"`
	Whole       bool     `json:"whole,omitempty"`

	// Account is what the results count to while the request is served; it is not sent.
	Account *budget.Account `json:"-"`
	Waiting Waiting         `json:"-"`
}

// Waiting is how a request waits for a lock while a DB server serves it. It is not sent.
type Waiting struct {
	Client  context.Context // ends when the answer is not wanted any more; nil: it is the one that the request is served with
	Until   time.Time       // zero: the client has set no time
	Passage Passage         // nil: the request has not passed the gate
}

// Passage is the way of a write through the gate of a server.
type Passage interface {
	// Aside leaves the gate, calls wait, and passes the gate again. After an error the write is outside.
	Aside(wait func()) error
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
	After       string   `json:"after,omitempty"`
	Limit       int      `json:"limit"`
	Transaction *TxnPart `json:"transaction,omitempty"` // whose own writes are seen, too
	Whole       bool     `json:"whole,omitempty"`       // see DocumentsRequest
}

// CountRequest asks for a shard's number of documents.
type CountRequest struct {
	Transaction *TxnPart `json:"transaction,omitempty"` // whose own writes count, too
	Whole       bool     `json:"whole,omitempty"`       // see DocumentsRequest
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
	WaitForSync bool     `json:"waitForSync,omitempty"`
	Transaction *TxnPart `json:"transaction,omitempty"` // in which it happens
	Waiting     Waiting  `json:"-"`
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

// Documents applies operations to a shard; a failing one has its error in its result.
func (c *Client) Documents(ctx context.Context, t Target, shard string, r DocumentsRequest) (DocumentsResponse, error) {
	for _, op := range r.Ops {
		if op.Kind != OpRead { // it will have been applied when the answer comes
			return write[DocumentsResponse](ctx, c, t, onShard(PathDocs, shard), r)
		}
	}
	return call[DocumentsResponse](refusing(ctx), c, t, onShard(PathDocs, shard), r)
}

// Scan reads a page of a shard's documents in key order.
func (c *Client) Scan(ctx context.Context, t Target, shard string, r ScanRequest) (ScanResponse, error) {
	return call[ScanResponse](refusing(ctx), c, t, onShard(PathScan, shard), r)
}

// Count gives a shard's number of documents.
func (c *Client) Count(ctx context.Context, t Target, shard string, r CountRequest) (CountResponse, error) {
	return call[CountResponse](ctx, c, t, onShard(PathCount, shard), r)
}

// Truncate removes all documents of a shard, as one write.
func (c *Client) Truncate(ctx context.Context, t Target, shard string, r TruncateRequest) error {
	_, err := write[struct{}](ctx, c, t, onShard(PathTruncate, shard), r)
	return err
}

// Checksum describes what is in a shard, or in one replica of it.
func (c *Client) Checksum(ctx context.Context, t Target, shard string, r ChecksumRequest) (ChecksumResponse, error) {
	return call[ChecksumResponse](ctx, c, t, onShard(PathChecksum, shard), r)
}
