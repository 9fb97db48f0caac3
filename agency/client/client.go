package client

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"stasis/agency/keys"
	"stasis/internal/network"
)

// defaultAttempt is how long one agent may take to answer one request.
const defaultAttempt = 4 * time.Second

// Options says where the agency is.
type Options struct {
	// Endpoints are the agents, "http://host:port" ("tcp://" is understood too).
	// Not all of them need to be known: a redirect may lead to another.
	Endpoints []string
	// HTTP carries the requests; nil makes a client of its own. Redirects are
	// followed by this package, whatever the client says.
	HTTP   *http.Client
	Logger hclog.Logger
	// AttemptTimeout bounds one attempt at one agent, so that a hung agent does
	// not hang the client; 0 is four seconds. How often a call is attempted is
	// bounded by its context alone.
	AttemptTimeout time.Duration
	// Origin is the agency to follow; zero: that of the first leader that answers.
	Origin keys.Origin
	// Remember notes, durably, which agency is followed from now on. Until it has
	// returned nothing of that agency is used. May be nil.
	Remember func(keys.Origin) error
}

// Client talks to the agency. It is safe for concurrent use and keeps nothing
// but a guess who leads.
type Client struct {
	endpoints []string
	http      *http.Client
	log       hclog.Logger
	attempts  time.Duration
	remember  func(keys.Origin) error
	learning  chan struct{} // one token: who has it may change origin

	mu        sync.Mutex
	origin    keys.Origin
	strangers map[string]keys.Origin // by endpoint; what the log has
	leader    string                 // the agent that answered last; "" if unknown
	polls     map[*poll]struct{}     // waiting at an agent
	troubled  bool                   // no leader answers, and that has been logged
}

// poll is a long request that is given up once another agent leads.
type poll struct {
	endpoint string
	cancel   context.CancelFunc
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
	c := &Client{log: o.Logger, attempts: o.AttemptTimeout, polls: map[*poll]struct{}{},
		remember: o.Remember, learning: make(chan struct{}, 1), origin: o.Origin, strangers: map[string]keys.Origin{}}
	for _, e := range o.Endpoints {
		c.endpoints = append(c.endpoints, normalise(e))
	}
	own := *o.HTTP
	own.Timeout = 0 // every attempt has a deadline of its own
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &own
	return c
}

// normalise gives "http://host:port" for whatever notation of an endpoint.
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

// leads notes that endpoint answered as leader, and gives up the polls that wait
// elsewhere: a deposed or hung leader would not wake them.
func (c *Client) leads(endpoint string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.troubled {
		c.troubled = false
		c.log.Info("agency answers again", "leader", endpoint)
	}
	if c.leader == endpoint {
		return
	}
	c.leader = endpoint
	for p := range c.polls {
		if p.endpoint != endpoint {
			p.cancel()
		}
	}
}

// doubts forgets endpoint as the leader, if it was thought to be that.
func (c *Client) doubts(endpoint string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leader == endpoint {
		c.leader = ""
	}
}

// guess is the agent that probably leads, "" if there is no idea.
func (c *Client) guess() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leader
}

// waiting registers a poll until the function it returns is called.
func (c *Client) waiting(endpoint string, cancel context.CancelFunc) func() {
	p := &poll{endpoint: endpoint, cancel: cancel}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.polls[p] = struct{}{}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.polls, p)
	}
}

// trouble logs, once until an agent leads again, that none does.
func (c *Client) trouble(last error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.troubled {
		c.troubled = true
		c.log.Warn("no leader of the agency answers", "last", last)
	}
}
