package client

import (
	"context"
	"encoding/json"
	"errors"
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

// TransientWrite applies transactions to the transient tree. The agency keeps no client ids of them, so
// the client repeats them blindly, and only sets and deletes are allowed. It returns ErrPrecondition if
// any of them was not applied.
func (c *Client) TransientWrite(ctx context.Context, txs ...Tx) error {
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

// Transact runs writes (Tx) and reads ([]string of paths, or one path as string) in order in one
// request. Reads see the writes before them. The result has one entry for each element: for a read the
// tree reduced to its paths; for an applied write its index, a number; for a write whose precondition
// failed an object with the current values at the failing paths. The last is no error.
//
// Transact inquires before it repeats, as Write does, and leaves the same two cases open.
// If a lost attempt turns out to have been applied, its answers are gone: ErrAnswerLost.
func (c *Client) Transact(ctx context.Context, elements ...any) ([]json.RawMessage, error) {
	encoded, ids, err := encodeElements(elements)
	if err != nil {
		return nil, err
	}
	r := applyOnce("transact", envelope(encoded), c.agents.timeout)
	s := c.agents.search()
	lost := false // some attempt was sent and never answered
	for {
		ans, o := s.try(ctx, r)
		if o == answered && (!lost || ans.status != http.StatusPreconditionFailed) {
			return ans.elements(len(elements))
		}
		if o != notTaken && len(ids) > 0 {
			lost = lost || o == unanswered
			if err := c.unapplied(ctx, ids, s.last); err != nil {
				return nil, err
			}
		}
		if o == answered {
			return ans.elements(len(elements))
		}
		if s.pause(ctx) != nil {
			if lost {
				return nil, s.ended(ctx, r, ErrUnknown)
			}
			return nil, s.unavailable(ctx, r)
		}
	}
}

// unapplied makes sure that none of the ids was applied.
func (c *Client) unapplied(ctx context.Context, ids []string, why error) error {
	results, err := c.inquire(ctx, ids)
	if err != nil {
		return unknown(ctx, "transact", why, err)
	}
	for _, index := range results {
		if index != 0 {
			return fmt.Errorf("agency transact: %w: index %d: %w", ErrAnswerLost, index, why)
		}
	}
	return nil
}

func (a answer) elements(want int) ([]json.RawMessage, error) {
	if a.status != http.StatusOK && a.status != http.StatusPreconditionFailed {
		return nil, a.rejected("transact")
	}
	var results []json.RawMessage
	if err := json.Unmarshal(a.body, &results); err != nil || len(results) != want {
		return nil, fmt.Errorf("agency transact: %w: %s: unexpected answer %s", ErrUnknown, a.endpoint, a.text())
	}
	return results, nil
}

// encodeElements gives the writes a client id each.
func encodeElements(elements []any) (encoded []encodedTx, ids []string, err error) {
	for _, e := range elements {
		var p encodedTx
		switch e := e.(type) {
		case Tx:
			p.id = uuid.NewString()
			ids = append(ids, p.id)
			p.raw, err = e.Encode(p.id)
		case []string:
			p.raw, err = json.Marshal(e)
		case string:
			p.raw, err = json.Marshal([]string{e})
		default:
			err = fmt.Errorf("%T is neither Tx nor paths", e)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("encode a transaction: %w: %w", ErrRejected, err)
		}
		encoded = append(encoded, p)
	}
	if len(encoded) == 0 {
		return nil, nil, fmt.Errorf("encode a transaction: %w: %w", ErrRejected, errors.New("nothing to do"))
	}
	return encoded, ids, nil
}
