package client

import (
	"context"
	"encoding/json"
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

// ShardStatement is what the leader of a shard says at the cut, while its gate is held.
// InSync are the servers without which it has acknowledged nothing, itself first: each
// has everything up to Last, where its log ends, and no write is in flight. With Unserved
// it does not serve the shard, and states nothing.
type ShardStatement struct {
	Shard    string   `json:"shard"`
	Term     uint64   `json:"term"` // in which it leads
	Last     Position `json:"last"`
	InSync   []string `json:"inSync"`
	Unserved string   `json:"unserved,omitempty"` // why
}

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

// Piece describes one server's part of a backup: its META file.
type Piece struct {
	ID                      string          `json:"id"`
	Version                 string          `json:"version"`
	DateTime                string          `json:"datetime"`
	Label                   string          `json:"label"`
	Kind                    string          `json:"kind"` // PieceHot or PieceFailsafe
	ServerID                string          `json:"serverId"`
	Nonce                   string          `json:"nonce"`
	Epoch                   uint64          `json:"epoch"`
	Keys                    []EncryptionKey `json:"keys"`
	SizeInBytes             int64           `json:"sizeInBytes"`
	NrFiles                 int             `json:"nrFiles"`
	NrDBServers             int             `json:"nrDBServers"`
	PotentiallyInconsistent bool            `json:"potentiallyInconsistent"`
	CountIncludesFilesOnly  bool            `json:"countIncludesFilesOnly"`
	ManifestSHA256          string          `json:"manifestSha256"` // of the MANIFEST.json with name, size and SHA-256 of every file
	AgencyDumpSHA256        string          `json:"agencyDumpSha256"`
	// Replicas are the replicas in the piece, by shard. They stand in its manifest, not in
	// META; a list has them with the details. Pieces of format 1 say nothing of them.
	Replicas map[string]PieceReplica `json:"replicas,omitempty"`
}

// PieceReplica is where a replica in a piece stands, as its engine has it.
type PieceReplica struct {
	Last      Position `json:"last"`      // where its log ends
	Committed uint64   `json:"committed"` // up to here it has applied its log
	Copying   bool     `json:"copying,omitempty"`
	// At is the tenure of its record with the number at which the leader's log ended; nil
	// if it has none, or no leader stated anything.
	At *Tenure `json:"at,omitempty"`
}

// Holds says whether a replica has everything up to p and has applied nothing else. It may
// have more in its log, which no leader has contradicted yet.
func (r PieceReplica) Holds(p Position) bool {
	return !r.Copying && r.At != nil && *r.At == p.Tenure && r.Last.Seq >= p.Seq && r.Committed <= p.Seq
}

// Kinds of pieces.
const (
	PieceHot      = "hot"
	PieceFailsafe = "failsafe" // an engine set aside by a restore
)

// EncryptionKey is a key fingerprint; none are in use here.
type EncryptionKey struct {
	SHA256 string `json:"sha256"`
}

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
