package client

import (
	"context"
	"encoding/json"
)

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

// Stage puts a piece beside the engine, ready to be swapped in.
func (c *Client) Stage(ctx context.Context, t Target, r StageRequest) error {
	_, err := longCall[struct{}](ctx, c, t, PathStage, r)
	return err
}

// Unstage removes what was staged for a restore that is not committed.
func (c *Client) Unstage(ctx context.Context, t Target, r UnstageRequest) error {
	return command(ctx, c, t, PathUnstage, r)
}
