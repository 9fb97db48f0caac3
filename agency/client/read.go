package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"stasis/fsm"
)

// Read gives the tree reduced to the paths (root at "/"), as it was at some
// moment during the call.
func (c *Client) Read(ctx context.Context, paths ...string) (*Node, error) {
	return c.readFrom(ctx, "read", paths)
}

// TransientRead is Read for the transient tree, which a new leader starts empty.
func (c *Client) TransientRead(ctx context.Context, paths ...string) (*Node, error) {
	return c.readFrom(ctx, "transient", paths)
}

func (c *Client) readFrom(ctx context.Context, name string, paths []string) (*Node, error) {
	body, err := json.Marshal([][]string{paths})
	if err != nil {
		return nil, fmt.Errorf("encode paths: %w", err)
	}
	ans, err := c.ask(ctx, name, body)
	if err != nil {
		return nil, err
	}
	var results []json.RawMessage
	if ans.status != http.StatusOK {
		return nil, ans.rejected(name)
	}
	if err := json.Unmarshal(ans.body, &results); err != nil || len(results) != 1 {
		return nil, ans.rejected(name)
	}
	root, err := fsm.Parse(results[0])
	if err != nil {
		return nil, fmt.Errorf("agency %s: %s: %w", name, ans.endpoint, err)
	}
	return root, nil
}

// transientWrite applies transactions to the transient tree. The agency keeps no client ids of them, so
// the client repeats them blindly, and only sets and deletes are allowed. It returns ErrPrecondition if
// any of them was not applied.
func (c *Client) transientWrite(ctx context.Context, txs ...Tx) error {
	var encoded []encodedTx
	for _, tx := range txs {
		if !tx.repeatable() {
			return fmt.Errorf("transient write: %w: only set and delete may be repeated", ErrRejected)
		}
		raw, err := tx.Encode(uuid.NewString())
		if err != nil {
			return fmt.Errorf("encode a transaction: %w: %w", ErrRejected, err)
		}
		encoded = append(encoded, encodedTx{raw: raw})
	}
	ans, err := c.ask(ctx, "transient", envelope(encoded))
	if err != nil {
		return err
	}
	var results []bool
	if err := json.Unmarshal(ans.body, &results); err != nil || len(results) != len(txs) {
		return ans.rejected("transient")
	}
	if slices.Contains(results, false) {
		return fmt.Errorf("agency transient: %w", ErrPrecondition)
	}
	return nil
}
