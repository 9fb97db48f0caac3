package client

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"stasis/agency/keys"
)

const (
	base = "/_api/agency/"

	maxErrorBytes = 200 // of an answer's body in a message
)

// request is one HTTP request, attempted as often as need be.
type request struct {
	method    string
	path      string // with query
	body      []byte
	timeout   time.Duration // of one attempt
	poll      bool          // given up when another agent is found to lead
	anyAgency bool          // also an agent of another agency may answer
	once      bool          // its client ids are applied once: it may be repeated
}

// answer is what an agent said.
type answer struct {
	endpoint string
	status   int
	location string
	origin   keys.Origin // what the agent belongs to
	body     []byte
}

// outcome is what an attempt tells about its request.
type outcome int

const (
	answered   outcome = iota // by the leader, for good
	notTaken                  // no leader has it: no connection, or a follower answered
	undecided                 // the agent is done with it and does not know what became of it
	unanswered                // it was sent and no answer came: it may still be on its way
)

// post is a request with a body; name is the last part of the path.
func post(name string, body []byte, timeout time.Duration) request {
	return request{method: http.MethodPost, path: base + name, body: body, timeout: timeout}
}

// applyOnce is a request with transactions whose client ids are new.
func applyOnce(name string, body []byte, timeout time.Duration) request {
	r := post(name, body, timeout)
	r.once = true
	return r
}

// text is the answer for a message. What an agent says in an error is given in full, because
// its end says what to do; a body of another form is cut off.
func (a answer) text() string {
	var said struct{ Message, ErrorMessage string }
	if json.Unmarshal(a.body, &said) == nil && said.ErrorMessage+said.Message != "" {
		return fmt.Sprintf("HTTP %d: %s", a.status, cmp.Or(said.ErrorMessage, said.Message))
	}
	body := strings.TrimSpace(string(a.body))
	if len(body) > maxErrorBytes {
		body = body[:maxErrorBytes] + "…"
	}
	return fmt.Sprintf("HTTP %d %s", a.status, body)
}

// rejected is the error for a leader's answer that is neither a success nor a failed
// precondition.
func (a answer) rejected(what string) error {
	return fmt.Errorf("agency %s: %w: %s: %s", what, ErrRejected, a.endpoint, a.text())
}
