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

// PollResult is what poll answers: either the whole tree (ReadDB) as of
// CommitIndex, or the log from the index that was asked for (FirstIndex) up to
// CommitIndex. After a quiet timeout both are missing.
type PollResult struct {
	ReadDB      *Node
	Log         []fsm.Entry
	CommitIndex uint64
	FirstIndex  uint64
}

// Poll waits at the leader for what was committed at index and later, at most for
// timeout. Index 0, or one that the log no longer reaches, gives the whole tree
// at once. It moves to another agent as soon as this client sees that one lead.
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

// confirmedIndex gives an index that is at least that of a linearizable read
// begun at the call. Poll tells the index but need not be confirmed by a
// majority, read is confirmed but does not tell; so it reads, and then asks the
// same agent, whose tree only grows, for its index.
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

// Config is what an agent tells about itself and the agency.
type Config struct {
	Term                uint64           `json:"term"`
	LeaderID            string           `json:"leaderId"` // "" without leader
	CommitIndex         uint64           `json:"commitIndex"`
	LastCompactionAt    uint64           `json:"lastCompactionAt"`
	NextCompactionAfter uint64           `json:"nextCompactionAfter"`
	LastAcked           map[string]Acked `json:"lastAcked,omitempty"` // only the leader has it
	Configuration       Configuration    `json:"configuration"`
	Engine              string           `json:"engine"`
	Version             string           `json:"version"`
	DiskHangs           *DiskHang        `json:"diskHangs,omitempty"` // null: the agent's disk answers
	Origin              keys.Origin      `json:"origin"`              // the agency it belongs to
	Tree                Tree             `json:"tree"`                // its size
	Status              string           `json:"status,omitempty"`    // why it does not serve, and what to do
}

// Tree is how large the agency's tree is, as an agent has applied it.
type Tree struct {
	Bytes       int64  `json:"bytes"`           // about, in memory
	Quota       int64  `json:"quota"`           // of this agent; the leader's counts
	Alarm       string `json:"alarm,omitempty"` // it is nearly full, and what to do
	Refused     uint64 `json:"refused"`         // transactions, because of a quota, since the agent started
	LastRefusal string `json:"lastRefusal,omitempty"`
}

// DiskHang is what an agent tells of its disk while it hangs. Such an agent takes no part
// in the agency.
type DiskHang struct {
	Since   string  `json:"since"` // its own clock
	Seconds float64 `json:"seconds"`
	Call    string  `json:"call"` // that has not returned
}

// String says it in words.
func (d DiskHang) String() string {
	return fmt.Sprintf("its disk hangs, for %.0f s: %q has not returned", d.Seconds, d.Call)
}

// Acked is what the leader last heard of an agent; times are seconds ago.
type Acked struct {
	LastAckedTime  float64 `json:"lastAckedTime"`
	LastAckedIndex uint64  `json:"lastAckedIndex"`
	LastAppend     float64 `json:"lastAppend"`
}

// Configuration is the part of an agent's settings that is used.
type Configuration struct {
	Pool       map[string]string `json:"pool"` // id → tcp://host:port
	Active     []string          `json:"active"`
	ID         string            `json:"id"`
	AgencySize int               `json:"agency size"`
	PoolSize   int               `json:"pool size"`
	Endpoint   string            `json:"endpoint"`
}

// Config asks one agent after the other, leader or not, until one answers.
func (c *Client) Config(ctx context.Context) (Config, error) {
	s := c.agents.search()
	for {
		endpoint := s.target()
		config, err := c.ConfigOf(ctx, endpoint)
		if err == nil {
			return config, nil
		}
		s.fail(endpoint, err)
		if s.pause(ctx) != nil {
			return Config{}, s.unavailable(ctx, request{path: base + "config"})
		}
	}
}

// ConfigOf asks this one agent, once.
func (c *Client) ConfigOf(ctx context.Context, endpoint string) (Config, error) {
	ans, _, err := c.agents.attempt(ctx, normalise(endpoint), request{method: http.MethodGet, path: base + "config", timeout: c.agents.timeout, anyAgency: true})
	if err != nil {
		return Config{}, fmt.Errorf("agency config of %s: %w: %w", endpoint, ErrUnavailable, err)
	}
	var config Config
	if ans.status != http.StatusOK {
		return Config{}, ans.rejected("config")
	}
	if err := json.Unmarshal(ans.body, &config); err != nil {
		return Config{}, ans.rejected("config")
	}
	return config, nil
}
