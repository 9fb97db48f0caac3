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

// Write applies one transaction and gives its index. It goes on through changes
// of leader until ctx ends. Each call uses a fresh client id, and a transaction
// is never sent again before a leader has answered an inquiry for that id with
// "not applied".
//
// The first request may be delayed somewhere, neither answered nor seen by the leader that
// was asked, and arrive after the second. Then it is not applied, because the leader
// knows that the second one was (keys.OnceHeader).
//
// Two windows remain. The request may arrive after the agency has forgotten the id, 20,000
// changes later. And it may arrive after the second one has failed by its
// precondition, and find that the precondition holds by then. Where that matters give
// the transaction a precondition that its own effect makes false for ever, or make
// it idempotent.
//
// Errors: ErrPrecondition and ErrRejected (not applied), ErrUnavailable (not
// applied, ctx ended), ErrUnknown (ctx ended while nobody could tell).
func (c *Client) Write(ctx context.Context, tx Tx) (uint64, error) {
	d, err := c.deliver(ctx, []Tx{tx})
	switch {
	case err != nil:
		return 0, err
	case d.results[0] != 0:
		return d.results[0], nil
	case d.last.status == http.StatusPreconditionFailed:
		return 0, fmt.Errorf("agency write: %w", ErrPrecondition)
	default:
		return 0, d.last.rejected("write")
	}
}

// WriteAll applies several transactions in order, each by itself, in one request unless
// they are large together.
// The result is 0 where a precondition failed or an operation was malformed; that
// is no error. When the outcome of the request had to be inquired, only the
// transactions that were not applied are sent again. With an error the results
// that are not 0 are still true.
func (c *Client) WriteAll(ctx context.Context, txs ...Tx) ([]uint64, error) {
	results := make([]uint64, len(txs))
	for done := 0; done < len(txs); {
		n, err := fitting(txs[done:])
		if err != nil {
			return results, err
		}
		d, err := c.deliver(ctx, txs[done:done+n])
		if d != nil {
			copy(results[done:], d.results)
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
			return 0, fmt.Errorf("encoding a transaction: %w: %w", ErrRejected, err)
		}
		if bytes += len(raw) + 1; bytes > requestBytes && n > 0 {
			break
		}
	}
	return n, nil
}

// parcel is one transaction on its way.
type parcel struct {
	at  int // its place among the results
	id  string
	raw json.RawMessage
}

// delivery is one write call on its way.
type delivery struct {
	c       *Client
	open    []parcel // not known to be applied
	results []uint64
	lost    bool // some attempt was sent and never answered
	last    answer
}

// deliver sends the transactions until a leader has said what became of each.
func (c *Client) deliver(ctx context.Context, txs []Tx) (*delivery, error) {
	d := &delivery{c: c, results: make([]uint64, len(txs))}
	for i, tx := range txs {
		id := uuid.NewString()
		raw, err := tx.Encode(id)
		if err != nil {
			return nil, fmt.Errorf("encoding a transaction: %w: %w", ErrRejected, err)
		}
		d.open = append(d.open, parcel{at: i, id: id, raw: raw})
	}
	s := c.search()
	for {
		r := c.applyOnce("write", envelope(d.open))
		ans, f := s.try(ctx, r)
		if f == answered {
			return d, d.conclude(ctx, ans)
		}
		if f != untaken && !failpoint.Off("inquire-before-repeat") {
			d.lost = d.lost || f == lost
			if err := d.resolve(ctx, s.last); err != nil || len(d.open) == 0 {
				return d, err
			}
		}
		if s.pause(ctx) != nil {
			if d.lost {
				return d, s.ended(ctx, r, ErrUnknown)
			}
			return d, s.unavailable(ctx, r)
		}
	}
}

func envelope(parcels []parcel) []byte {
	body := []byte{'['}
	for i, p := range parcels {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, p.raw...)
	}
	return append(body, ']')
}

// conclude takes a leader's answer. If an earlier attempt got lost, a failed
// precondition may be that attempt's own doing, so it is asked about once more.
func (d *delivery) conclude(ctx context.Context, ans answer) error {
	d.last = ans
	switch ans.status {
	case http.StatusOK, http.StatusPreconditionFailed, http.StatusForbidden:
	default:
		return ans.rejected("write")
	}
	var body struct {
		Results []uint64 `json:"results"`
	}
	if err := json.Unmarshal(ans.body, &body); err != nil || len(body.Results) != len(d.open) {
		if ans.status == http.StatusForbidden { // no permission, not our own keys
			return ans.rejected("write")
		}
		return fmt.Errorf("agency write: %w: %s: unexpected answer %s", ErrUnknown, ans.endpoint, ans.text())
	}
	d.settle(body.Results)
	if !d.lost || len(d.open) == 0 {
		return nil
	}
	return d.resolve(ctx, errors.New("an earlier attempt got lost"))
}

// resolve inquires about everything open. It leaves open what is not applied.
func (d *delivery) resolve(ctx context.Context, why error) error {
	ids := make([]string, len(d.open))
	for i, p := range d.open {
		ids[i] = p.id
	}
	results, err := d.c.inquire(ctx, ids)
	if err != nil {
		return unknown(ctx, "write", why, err)
	}
	d.settle(results)
	return nil
}

// unknown is the error when not even an inquiry tells the outcome. The inquiry's
// own error is only text in it: that the agency was unavailable for the question
// does not mean that the transaction was not applied.
func unknown(ctx context.Context, what string, why, inquiry error) error {
	err := fmt.Errorf("agency %s: %w: %w; inquired: %s", what, ErrUnknown, why, inquiry.Error())
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", err, context.Cause(ctx))
	}
	return err
}

// settle notes the indices of what was applied.
func (d *delivery) settle(results []uint64) {
	var open []parcel
	for i, p := range d.open {
		if results[i] == 0 {
			open = append(open, p)
		}
		d.results[p.at] = results[i]
	}
	d.open = open
}

// inquire asks the leader for the indices of client ids, 0 for not applied.
func (c *Client) inquire(ctx context.Context, ids []string) ([]uint64, error) {
	body, err := json.Marshal(ids)
	if err != nil {
		return nil, fmt.Errorf("encoding client ids: %w", err)
	}
	ans, err := c.ask(ctx, c.post("inquire", body))
	if err != nil {
		return nil, err
	}
	var got struct {
		Results  []uint64 `json:"results"`
		Inquired bool     `json:"inquired"`
	}
	// 404 is the proper answer if an id was not applied, and also what anything
	// else at that address says: only the body tells them apart.
	if err := json.Unmarshal(ans.body, &got); err != nil || !got.Inquired || len(got.Results) != len(ids) {
		return nil, ans.rejected("inquire")
	}
	return got.Results, nil
}
