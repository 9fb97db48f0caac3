package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"stasis/agency/keys"
	"stasis/fsm"
)

// PollResult is the answer of a poll: either the whole tree (ReadDB) as of CommitIndex, or the log
// from the index that was asked for (FirstIndex) up to CommitIndex. If nothing was committed before
// the timeout, both are missing.
type PollResult struct {
	ReadDB      *Node
	Log         []fsm.Entry
	CommitIndex uint64
	FirstIndex  uint64
}

// Poll waits at the leader for what was committed at index and later, at most for timeout. For index
// 0, or one that the log no longer reaches, it gives the whole tree at once. It moves to another agent
// as soon as this client sees that agent lead.
func (c *Client) Poll(ctx context.Context, index uint64, timeout time.Duration) (PollResult, error) {
	ans, err := c.agents.ask(ctx, c.pollRequest(index, timeout))
	if err != nil {
		return PollResult{}, err
	}
	return ans.poll()
}

func (c *Client) pollRequest(index uint64, timeout time.Duration) request {
	q := url.Values{
		"index":   {strconv.FormatUint(index, 10)},
		"timeout": {strconv.FormatFloat(timeout.Seconds(), 'f', -1, 64)},
	}
	return request{method: http.MethodGet, path: base + "poll?" + q.Encode(), timeout: timeout + c.agents.timeout, poll: true}
}

func (a answer) poll() (PollResult, error) {
	var body struct {
		Result *struct {
			ReadDB      json.RawMessage `json:"readDB"`
			Log         []fsm.Entry     `json:"log"`
			CommitIndex uint64          `json:"commitIndex"`
			FirstIndex  uint64          `json:"firstIndex"`
		} `json:"result"`
	}
	if a.status != http.StatusOK {
		return PollResult{}, a.rejected("poll")
	}
	if err := json.Unmarshal(a.body, &body); err != nil || body.Result == nil {
		return PollResult{}, a.rejected("poll")
	}
	r := PollResult{Log: body.Result.Log, CommitIndex: body.Result.CommitIndex, FirstIndex: body.Result.FirstIndex}
	if body.Result.ReadDB == nil {
		return r, nil
	}
	root, err := fsm.Parse(body.Result.ReadDB)
	if err != nil {
		return PollResult{}, fmt.Errorf("agency poll: %s: %w", a.endpoint, err)
	}
	r.ReadDB = root
	return r, nil
}

// confirmedIndex gives an index that is at least that of a linearizable read begun at the call. Poll
// tells the index but need not be confirmed by a majority; read is confirmed but does not tell the
// index. So the client reads, and then asks the same agent, whose index only rises.
func (c *Client) confirmedIndex(ctx context.Context) (uint64, error) {
	body, err := json.Marshal([][]string{{keys.Cluster}})
	if err != nil {
		return 0, fmt.Errorf("encode paths: %w", err)
	}
	index := c.pollRequest(math.MaxInt64, 0)
	for s := c.agents.search(); ; {
		confirmed, err := c.ask(ctx, "read", body)
		if err != nil {
			return 0, err
		}
		if confirmed.status != http.StatusOK {
			return 0, confirmed.rejected("read")
		}
		ans, _, err := c.agents.attempt(ctx, confirmed.endpoint, index)
		if err == nil && ans.status == http.StatusOK {
			r, err := ans.poll()
			return r.CommitIndex, err
		}
		if err == nil {
			err = errors.New(ans.text())
		}
		s.fail(confirmed.endpoint, err)
		if s.pause(ctx) != nil {
			return 0, s.unavailable(ctx, index)
		}
	}
}
