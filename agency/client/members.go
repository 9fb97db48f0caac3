package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
)

// Member is one agent as the leader sees it.
type Member struct {
	ID       string `json:"id"`
	Name     string `json:"name,omitempty"` // as the agent itself says when it is asked
	Endpoint string `json:"endpoint"`
	Voter    bool   `json:"voter"`
	Leader   bool   `json:"leader"`
	// Heard says that it has answered this leader. Then SilentSeconds says how long ago, and Lag how
	// many Raft entries it misses.
	Heard         bool    `json:"heard"`
	SilentSeconds float64 `json:"silentSeconds"`
	Lag           uint64  `json:"lag"`
	// DiskHangs is what the agent itself says when it is asked; the leader cannot know it.
	DiskHangs *DiskHang `json:"diskHangs,omitempty"`
	// Alarm is of the leader: the tree is nearly full, and what to do.
	Alarm string `json:"alarm,omitempty"`
}

// Members is the answer of /_api/agency/members. Done is false when a change that
// takes several steps has to be asked for again.
type Members struct {
	Done    bool     `json:"done"`
	Members []Member `json:"members"`
}

// Members lists the agents as the leader sees them.
func (c *Client) Members(ctx context.Context) ([]Member, error) {
	m, err := c.membership(ctx, "list the agents", http.MethodGet, "", nil)
	return m.Members, err
}

// AskNames asks all agents for their names, and notes their answers in members. An agent that does not answer
// has none there.
func (c *Client) AskNames(ctx context.Context, members []Member) {
	ctx, cancel := context.WithTimeout(ctx, c.agents.timeout)
	defer cancel()
	var asking sync.WaitGroup
	for i := range members {
		asking.Go(func() {
			if config, err := c.ConfigOf(ctx, members[i].Endpoint); err == nil {
				members[i].Name = config.Name
			}
		})
	}
	asking.Wait()
}

// AskSilent asks the agents that do not answer the leader whether their disks hang, and notes their
// answers in members. It leaves an agent as it is that does not answer either.
func (c *Client) AskSilent(ctx context.Context, members []Member) {
	ctx, cancel := context.WithTimeout(ctx, c.agents.timeout)
	defer cancel()
	var asking sync.WaitGroup
	for i := range members {
		m := &members[i]
		if m.Leader || m.Heard && m.SilentSeconds < 1 {
			continue
		}
		asking.Go(func() {
			if config, err := c.ConfigOf(ctx, m.Endpoint); err == nil {
				m.DiskHangs = config.DiskHangs
			}
		})
	}
	asking.Wait()
}

// AddMember makes an agent that was started to join a member with an endpoint, and waits until the
// agent has caught up and votes. For an agent that is a member it changes the endpoint.
func (c *Client) AddMember(ctx context.Context, id, endpoint string) error {
	for pauses := newBackoff(); ; {
		m, err := c.membership(ctx, "add "+id, http.MethodPost, "", map[string]any{"id": id, "endpoint": endpoint, "join": true})
		if err != nil || m.Done {
			return err
		}
		if err := pauses.wait(ctx); err != nil {
			return fmt.Errorf("%s is a member without a vote, it has not caught up yet: %w", id, err)
		}
	}
}

// RemoveMember takes an agent out of the agency for good.
func (c *Client) RemoveMember(ctx context.Context, id string) error {
	_, err := c.membership(ctx, "remove "+id, http.MethodDelete, "?id="+url.QueryEscape(id), nil)
	return err
}

// TransferLeadership makes another agent the leader: the one with this id, or any if id is empty.
func (c *Client) TransferLeadership(ctx context.Context, id string) error {
	_, err := c.membership(ctx, "transfer the leadership", http.MethodPost, "", map[string]any{"transfer": true, "id": id})
	return err
}

func (c *Client) membership(ctx context.Context, what, method, query string, body any) (m Members, err error) {
	var raw []byte
	if body != nil {
		if raw, err = json.Marshal(body); err != nil {
			return m, fmt.Errorf("encode a change of the membership: %w", err)
		}
	}
	// Every change may be repeated: it says how things are to be.
	ans, err := c.agents.ask(ctx, request{method: method, path: base + "members" + query, body: raw, timeout: 4 * c.agents.timeout})
	if err != nil {
		return m, err
	}
	if ans.status != http.StatusOK {
		return m, fmt.Errorf("%s: %w: %s", what, ErrRejected, ans.text())
	}
	if err := json.Unmarshal(ans.body, &m); err != nil {
		return m, fmt.Errorf("%s: %w: %s", what, ErrRejected, ans.text())
	}
	return m, nil
}
