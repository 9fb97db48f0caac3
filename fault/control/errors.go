package control

import (
	"errors"
	"fmt"
)

// Code is a kind of [Error]. It is an error itself: errors.Is(err, control.NoSuchServer).
type Code string

// The codes.
const (
	BadOrder     Code = "bad order"        // it lacks something, or has something wrong
	NoLab        Code = "takes no faults"  // it was not started with --lab
	NoSuchServer Code = "no such server"   // nor host
	NoSuchRule   Code = "no such rule"     // it has ended, or the process was started again
	CannotDo     Code = "cannot do that"   // the reason is in the message
	NotAllowed   Code = "not allowed"      // the controller is another user
	NotRunning   Code = "does not run"     // the server does not
	OtherVersion Code = "another version"  // of the protocol
	Failed       Code = "failed"           // it was tried
	Silent       Code = "no answer"        // in time: the process is paused, or busy. Whether the order was done is unknown
	Lost         Code = "connection ended" // whether the order was done is unknown
)

// Error implements error.
func (c Code) Error() string { return string(c) }

// Error is why an order was not done. It wraps its Code.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// Unwrap is the Code.
func (e *Error) Unwrap() error { return e.Code }

// Errorf makes an Error.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// asError gives an error the form of the wire.
func asError(err error) *Error {
	if known, ok := errors.AsType[*Error](err); ok {
		return &Error{Code: known.Code, Message: err.Error()}
	}
	return &Error{Code: Failed, Message: err.Error()}
}
