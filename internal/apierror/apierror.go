// Package apierror carries errors over the wire: the error numbers of ArangoDB 3.12, the
// HTTP status of each, the JSON envelope, and sentinels that match with errors.Is on both
// sides of the network.
package apierror

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
)

// Error is the envelope {"error":true,"code","errorNum","errorMessage"}.
// Cause is not sent.
type Error struct {
	Num     Num
	Code    int // HTTP status; 0 means Num.Status()
	Message string
	Extra   map[string]any // further attributes of the envelope
	Cause   error
}

// Outcome is the further attribute with which an error of an operation on backups says what
// became of its commit. Without it, nothing was changed. A request on several shards of which
// some have done it has OutcomeUnknown, too.
const (
	Outcome          = "outcome"
	OutcomeUnknown   = "unknown"   // it may be committed
	OutcomeCommitted = "committed" // it is committed, and completes by itself
)

// Report is the further attribute with which the error of a create has its lock report: what was
// tried, and how long writers waited for that.
const Report = "report"

// With returns err as an *Error that has a further attribute, which must not be changed any more.
// err itself stays as it is: it may be one that others share.
func With(err error, name string, value any) *Error {
	e := From(err)
	extra := maps.Clone(e.Extra)
	if extra == nil {
		extra = map[string]any{}
	}
	extra[name] = value
	return &Error{Num: e.Num, Code: e.Code, Message: e.Message, Extra: extra, Cause: err}
}

// Attribute decodes a further attribute, also if it came over the wire.
func (e *Error) Attribute(name string, into any) error {
	raw, err := json.Marshal(e.Extra[name])
	if err != nil {
		return fmt.Errorf("attribute %s: %w", name, err)
	}
	return json.Unmarshal(raw, into)
}

// New makes an error with the number's usual status.
func New(n Num, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	cause := errors.Unwrap(err)
	if _, several := err.(interface{ Unwrap() []error }); several {
		cause = err
	}
	return &Error{Num: n, Message: err.Error(), Cause: cause}
}

// WithStatus sets the HTTP status, where it is not the number's usual one.
func (e *Error) WithStatus(code int) *Error { e.Code = code; return e }

func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is matches a Num, or another *Error with the same number.
func (e *Error) Is(target error) bool {
	switch t := target.(type) {
	case Num:
		return e.Num == t
	case *Error:
		return t != nil && e.Num == t.Num
	}
	return false
}

// Status is the HTTP status to answer with.
func (e *Error) Status() int {
	if e.Code != 0 {
		return e.Code
	}
	return e.Num.Status()
}

// MarshalJSON writes the envelope.
func (e *Error) MarshalJSON() ([]byte, error) {
	m := map[string]any{}
	for k, v := range e.Extra {
		m[k] = v
	}
	m["error"], m["code"], m["errorNum"], m["errorMessage"] = true, e.Status(), int(e.Num), e.Message
	return json.Marshal(m)
}

// UnmarshalJSON reads the envelope, with its further attributes.
func (e *Error) UnmarshalJSON(data []byte) error {
	var w struct {
		Code    int    `json:"code"`
		Num     int    `json:"errorNum"`
		Message string `json:"errorMessage"`
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	var extra map[string]any
	if err := json.Unmarshal(data, &extra); err != nil {
		return err
	}
	for _, known := range []string{"error", "code", "errorNum", "errorMessage"} {
		delete(extra, known)
	}
	if len(extra) == 0 {
		extra = nil
	}
	*e = Error{Num: Num(w.Num), Code: w.Code, Message: w.Message, Extra: extra}
	return nil
}

// From returns err as an *Error. An error that is none gets the number Internal.
func From(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		if e.Error() != err.Error() { // keep what the wrappers said
			return &Error{Num: e.Num, Code: e.Code, Message: err.Error(), Extra: e.Extra, Cause: err}
		}
		return e
	}
	var n Num
	if errors.As(err, &n) {
		return &Error{Num: n, Message: err.Error(), Cause: err}
	}
	return &Error{Num: Internal, Message: err.Error(), Cause: err}
}

// Write answers a request with the error's envelope.
func Write(w http.ResponseWriter, err error) {
	e := From(err)
	body, merr := json.Marshal(e)
	if merr != nil {
		body = fmt.Appendf(nil, `{"error":true,"code":500,"errorNum":4,"errorMessage":%q}`, merr.Error())
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(e.Status())
	_, _ = w.Write(body) // the client is gone
}

// maxErrorBody bounds what is read of an error answer.
const maxErrorBody = 1 << 20

// FromResponse reads an answer's error: nil for a status below 400, otherwise an *Error,
// also when the body is no envelope. It reads the body only of an error.
func FromResponse(resp *http.Response) error {
	if resp.StatusCode < 400 {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return &Error{Num: ConnectionLost, Message: fmt.Sprintf("reading HTTP %d answer: %v", resp.StatusCode, err), Cause: err}
	}
	e := &Error{}
	if json.Unmarshal(body, e) != nil || e.Num == 0 {
		return &Error{Num: Num(resp.StatusCode), Code: resp.StatusCode, Message: fmt.Sprintf("HTTP %d: %s", resp.StatusCode, firstBytes(body, 200))}
	}
	e.Code = resp.StatusCode
	return e
}

func firstBytes(b []byte, n int) string {
	if len(b) > n {
		return string(b[:n]) + "…"
	}
	return string(b)
}
