package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"stasis/internal/failpoint"
)

// Write applies one transaction and gives its index. It goes on through changes of leader until ctx
// ends. Each call uses a new client id. Write never sends a transaction again before a leader has
// answered an inquiry for that id with "not applied".
//
// The first request may be delayed, neither answered nor seen by the leader that was asked, and arrive
// after the second. Then it is not applied, because the leader knows that the second one was
// (keys.OnceHeader).
//
// Two cases remain in which a transaction is applied late. The delayed request arrives after the agency
// has forgotten the id, 20,000 changes later. Or it arrives after the second request has failed by a
// precondition that holds by then. Where that matters, give the transaction a precondition that its own
// effect makes false for ever, or make it idempotent.
//
// Errors: [ErrPrecondition] and [ErrRejected] (not applied), [ErrUnavailable] (not applied, ctx
// ended), [ErrUnknown] (ctx ended before a leader could tell).
func (c *Client) Write(ctx context.Context, tx Tx) (uint64, error) {
	w, err := c.send(ctx, []Tx{tx})
	switch {
	case err != nil:
		return 0, err
	case w.results[0] != 0:
		return w.results[0], nil
	case w.last.status == http.StatusPreconditionFailed:
		return 0, fmt.Errorf("agency write: %w", ErrPrecondition)
	default:
		return 0, w.last.rejected("write")
	}
}

// WriteAll applies several transactions in order, each by itself, in one request, or in several if they
// are large together. A result is 0 if a precondition failed or an operation was malformed; that is no
// error. If WriteAll had to inquire the outcome of a request, it sends again only the transactions that
// were not applied. Results that are not 0 are true also beside an error.
func (c *Client) WriteAll(ctx context.Context, txs ...Tx) ([]uint64, error) {
	results := make([]uint64, len(txs))
	for done := 0; done < len(txs); {
		n, err := fitting(txs[done:])
		if err != nil {
			return results, err
		}
		w, err := c.send(ctx, txs[done:done+n])
		if w != nil {
			copy(results[done:], w.results)
		}
		if err != nil {
			return results, err
		}
		done += n
	}
	return results, nil
}

// requestBytes is how much is sent in one request: agents take more, but each request
// is one entry of their log.
const requestBytes = 2 << 20

// fitting is how many of the transactions go into one request, at least one.
func fitting(txs []Tx) (n int, err error) {
	for bytes := 0; n < len(txs); n++ {
		raw, err := txs[n].Encode(uuid.Nil.String())
		if err != nil {
			return 0, fmt.Errorf("encode a transaction: %w: %w", ErrRejected, err)
		}
		if bytes += len(raw) + 1; bytes > requestBytes && n > 0 {
			break
		}
	}
	return n, nil
}

// encodedTx is one transaction on its way.
type encodedTx struct {
	at  int // its place among the results
	id  string
	raw json.RawMessage
}

// writeCall is the transactions of one call on their way.
type writeCall struct {
	c       *Client
	open    []encodedTx // not known to be applied
	results []uint64
	lost    bool // some attempt was sent and never answered
	last    answer
}

// send sends the transactions until a leader has said what became of each.
func (c *Client) send(ctx context.Context, txs []Tx) (*writeCall, error) {
	w := &writeCall{c: c, results: make([]uint64, len(txs))}
	for i, tx := range txs {
		id := uuid.NewString()
		raw, err := tx.Encode(id)
		if err != nil {
			return nil, fmt.Errorf("encode a transaction: %w: %w", ErrRejected, err)
		}
		w.open = append(w.open, encodedTx{at: i, id: id, raw: raw})
	}
	s := c.agents.search()
	for {
		r := applyOnce("write", envelope(w.open), c.agents.timeout)
		ans, o := s.try(ctx, r)
		if o == answered {
			return w, w.conclude(ctx, ans)
		}
		if o != notTaken && !failpoint.Off("inquire-before-repeat") {
			w.lost = w.lost || o == unanswered
			if err := w.resolve(ctx, s.last); err != nil || len(w.open) == 0 {
				return w, err
			}
		}
		if s.pause(ctx) != nil {
			if w.lost {
				return w, s.ended(ctx, r, ErrUnknown)
			}
			return w, s.unavailable(ctx, r)
		}
	}
}

func envelope(txs []encodedTx) []byte {
	body := []byte{'['}
	for i, tx := range txs {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, tx.raw...)
	}
	return append(body, ']')
}

// conclude takes a leader's answer. If an earlier attempt was lost, a failed precondition may be
// that attempt's own effect, so the leader is asked about it once more.
func (w *writeCall) conclude(ctx context.Context, ans answer) error {
	w.last = ans
	switch ans.status {
	case http.StatusOK, http.StatusPreconditionFailed, http.StatusForbidden:
	default:
		return ans.rejected("write")
	}
	var body struct {
		Results []uint64 `json:"results"`
	}
	if err := json.Unmarshal(ans.body, &body); err != nil || len(body.Results) != len(w.open) {
		if ans.status == http.StatusForbidden { // no permission, or a key that clients may not write
			return ans.rejected("write")
		}
		return fmt.Errorf("agency write: %w: %s: unexpected answer %s", ErrUnknown, ans.endpoint, ans.text())
	}
	w.take(body.Results)
	if !w.lost || len(w.open) == 0 {
		return nil
	}
	return w.resolve(ctx, errors.New("an earlier attempt got lost"))
}

// resolve inquires about everything open. It leaves open what is not applied.
func (w *writeCall) resolve(ctx context.Context, why error) error {
	ids := make([]string, len(w.open))
	for i, tx := range w.open {
		ids[i] = tx.id
	}
	results, err := w.c.inquire(ctx, ids)
	if err != nil {
		return unknown(ctx, why, err)
	}
	w.take(results)
	return nil
}

// take notes the indices of what was applied, and leaves the rest open.
func (w *writeCall) take(results []uint64) {
	var open []encodedTx
	for i, tx := range w.open {
		if results[i] == 0 {
			open = append(open, tx)
		}
		w.results[tx.at] = results[i]
	}
	w.open = open
}

// unknown is the error when not even an inquiry tells the outcome. The inquiry's
// own error is only text in it: that the agency was unavailable for the question
// does not mean that the transaction was not applied.
func unknown(ctx context.Context, why, inquiry error) error {
	err := fmt.Errorf("agency write: %w: %w; inquired: %s", ErrUnknown, why, inquiry.Error())
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", err, context.Cause(ctx))
	}
	return err
}

// inquire asks the leader for the indices of client ids, 0 for not applied.
func (c *Client) inquire(ctx context.Context, ids []string) ([]uint64, error) {
	body, err := json.Marshal(ids)
	if err != nil {
		return nil, fmt.Errorf("encode client ids: %w", err)
	}
	ans, err := c.ask(ctx, "inquire", body)
	if err != nil {
		return nil, err
	}
	var got struct {
		Results  []uint64 `json:"results"`
		Inquired bool     `json:"inquired"`
	}
	// 404 is the proper answer if an id was not applied. It is also what any other server at that
	// address says: only the body tells them apart.
	if err := json.Unmarshal(ans.body, &got); err != nil || !got.Inquired || len(got.Results) != len(ids) {
		return nil, ans.rejected("inquire")
	}
	return got.Results, nil
}
