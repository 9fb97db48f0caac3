package client

import (
	"context"
	"net/http"
	"strings"

	"github.com/hashicorp/go-hclog"

	"stasis/agency/keys"
	"stasis/internal/network"
	"stasis/internal/wall"
)

// Client talks to the agency. It is safe for concurrent use. It keeps a guess which agent leads,
// and the agency that it follows.
type Client struct {
	agents *agents
	log    hclog.Logger
	wall   wall.Clock
}

// New makes a client. It sends nothing.
func New(o Options) *Client {
	if o.HTTP == nil {
		o.HTTP = network.NewHTTPClient(network.TCP())
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.AttemptTimeout == 0 {
		o.AttemptTimeout = defaultAttempt
	}
	own := *o.HTTP
	own.Timeout = 0 // every attempt has a deadline of its own
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	a := &agents{
		http: &own, timeout: o.AttemptTimeout,
		leader: &leader{log: o.Logger}, followed: newFollowed(o),
	}
	for _, e := range o.Endpoints {
		a.endpoints = append(a.endpoints, normalise(e))
	}
	return &Client{agents: a, log: o.Logger, wall: o.Wall}
}

// Origin is the agency that this client follows: that of the first leader that answered, or
// Options.Origin. It names the newest incarnation seen. It is zero as long as there is none.
func (c *Client) Origin() keys.Origin { return c.agents.followed.get() }

// ask sends a request that may be repeated blindly to the leader, with the deadline of every
// attempt.
func (c *Client) ask(ctx context.Context, name string, body []byte) (answer, error) {
	return c.agents.ask(ctx, post(name, body, c.agents.timeout))
}

// normalise gives "http://host:port" for an endpoint in any of the usual notations.
func normalise(endpoint string) string {
	endpoint = strings.TrimRight(endpoint, "/")
	scheme, rest, found := strings.Cut(endpoint, "://")
	switch {
	case !found:
		return "http://" + endpoint
	case scheme == "tcp":
		return "http://" + rest
	case scheme == "ssl":
		return "https://" + rest
	}
	return endpoint
}
