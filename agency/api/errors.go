package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/go-hclog"

	"stasis/agency/answer"
	"stasis/agency/outcome"
	"stasis/internal/apierror"
)

// plainError is an error in the agency's own form, {"message":…}.
type plainError struct {
	status  int
	message string
}

func (e plainError) Error() string { return e.message }

func badRequest(format string, args ...any) error {
	return plainError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func forbidden(format string, args ...any) error {
	return plainError{http.StatusForbidden, fmt.Sprintf(format, args...)}
}

// noLeader is what drivers look for.
const noLeader = "No leader"

// errorWriter answers requests that could not be served.
type errorWriter struct {
	self   string // the id of this agent
	leads  func() (id, address string)
	logger hclog.Logger
}

// write answers an error. Only ErrNotLeader redirects: then nothing has been done. An unknown
// outcome is 408 or 503, never an error that a client might take for "not applied".
func (e errorWriter) write(w http.ResponseWriter, r *http.Request, err error) {
	var plain plainError
	var envelope *apierror.Error
	unknown := errors.Is(err, outcome.ErrUnknown)
	switch {
	case errors.As(err, &plain):
		answer.WriteMessage(w, plain.status, plain.message)
	case errors.As(err, &envelope):
		apierror.Write(w, envelope)
	case unknown && errors.Is(err, outcome.ErrTimeout):
		apierror.Write(w, apierror.New(apierror.RequestTimeout, "%w", err))
	case unknown, errors.Is(err, outcome.ErrTimeout), errors.Is(err, outcome.ErrClosed):
		answer.WriteMessage(w, http.StatusServiceUnavailable, err.Error())
	case errors.Is(err, outcome.ErrNotLeader):
		e.redirect(w, r)
	default:
		e.logger.Error("request not answered", "path", r.URL.Path, "error", err)
		apierror.Write(w, err)
	}
}

// redirect sends a client to the leader, or away if there is none. The request target is kept
// byte for byte.
func (e errorWriter) redirect(w http.ResponseWriter, r *http.Request) {
	id, address := e.leads()
	if id == "" || id == e.self {
		answer.WriteMessage(w, http.StatusServiceUnavailable, noLeader)
		return
	}
	target := r.RequestURI
	if !strings.HasPrefix(target, "/") { // as a proxy would send it
		target = r.URL.RequestURI()
	}
	w.Header().Set("Location", "http://"+address+target)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusTemporaryRedirect)
}
