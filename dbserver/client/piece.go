package client

import (
	"context"
	"encoding/json"

	"stasis/client/certificate"
)

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
	LockMode                LockMode        `json:"lockMode,omitempty"` // in which all gates were held
	AgencyDump              json.RawMessage `json:"agencyDump"`         // AgencyDump
	// Statements are those of all leaders: they go into the piece's manifest.
	Statements []ShardStatement `json:"statements,omitempty"`
}

// AgencyDump is stored with every piece. Dump is in ArangoDB's form:
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

// Prepare has the server flush, so that little is left to do in the cut.
func (c *Client) Prepare(ctx context.Context, t Target, r PieceRequest) error {
	_, err := longCall[struct{}](ctx, c, t, PathPrepare, r)
	return err
}

// Cut fixes the cut and returns; its links follow with Link.
func (c *Client) Cut(ctx context.Context, t Target, r CutRequest) (CutResponse, error) {
	return call[CutResponse](ctx, c, t, PathCut, r)
}

// Link makes the pending piece complete and durable.
func (c *Client) Link(ctx context.Context, t Target, r LinkRequest) (Piece, error) {
	return longCall[Piece](ctx, c, t, PathLink, r)
}

// Seal stores the certificate in the pending piece.
func (c *Client) Seal(ctx context.Context, t Target, r SealRequest) error {
	return command(ctx, c, t, PathSeal, r)
}

// Publish lists the piece from now on. Publishing twice is no error.
func (c *Client) Publish(ctx context.Context, t Target, r PieceRequest) error {
	return command(ctx, c, t, PathPublish, r)
}

// Drop removes a pending piece whose backup is not committed.
func (c *Client) Drop(ctx context.Context, t Target, r PieceRequest) error {
	return command(ctx, c, t, PathDrop, r)
}

// List lists published pieces, whatever the epoch.
func (c *Client) List(ctx context.Context, t Target, r ListRequest) (ListResponse, error) {
	return call[ListResponse](ctx, c, t, PathList, r)
}

// Delete removes the published piece of a backup that the agency says is deleted;
// apierror.BackupConflict if it does not, FileNotFound if there is no piece.
func (c *Client) Delete(ctx context.Context, t Target, r PieceRequest) error {
	return command(ctx, c, t, PathDelete, r)
}

// Verify checks every file of a published piece.
func (c *Client) Verify(ctx context.Context, t Target, r PieceRequest) (VerifyResponse, error) {
	return longCall[VerifyResponse](ctx, c, t, PathVerify, r)
}
