package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"stasis/agency/keys"
)

// Config is what an agent says about itself and the agency.
type Config struct {
	keys.Process                         // how people find the agent
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

// DiskHang is what an agent says of its disk while the disk hangs. Such an agent takes no part in the
// agency.
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
