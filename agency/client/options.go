package client

import (
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"

	"stasis/agency/keys"
	"stasis/internal/wall"
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
	// Wall is the wall clock of the server that the client reports for; nil is the system's.
	Wall wall.Clock
	// AttemptTimeout bounds one attempt at one agent, so that a hung agent does not hang the
	// client; 0 is four seconds. The context of a call alone bounds how often it is attempted.
	AttemptTimeout time.Duration
	// Origin is the agency to follow; zero: that of the first leader that answers.
	Origin keys.Origin
	// Remember notes, durably, which agency is followed from now on. The client uses nothing of
	// that agency before Remember has returned. It may be nil.
	Remember func(keys.Origin) error
}
