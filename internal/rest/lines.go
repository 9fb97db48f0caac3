package rest

import (
	"encoding/json"
	"net/http"
)

// Lines is an answer of JSON values, one a line, that goes on while its handler runs.
type Lines struct {
	out   *json.Encoder
	flush *http.ResponseController
}

// Lines begins an answer of lines with status 200.
func (c *Call) Lines() *Lines {
	c.W.Header().Set("Content-Type", "application/x-ndjson")
	c.W.WriteHeader(http.StatusOK)
	return &Lines{out: json.NewEncoder(c.W), flush: http.NewResponseController(c.W)}
}

// Write writes one line. An error means that the client has gone.
func (l *Lines) Write(v any) error { return l.out.Encode(v) }

// Flush sends what was written. An error means that the client has gone.
func (l *Lines) Flush() error { return l.flush.Flush() }
