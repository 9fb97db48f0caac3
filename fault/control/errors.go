package control

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"

	"stasis/fault"
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

// kinds are the kinds of calls to a disk by name.
var kinds = map[string]fault.Kind{
	"create": fault.Create, "write": fault.Write, "sync": fault.Sync, "rename": fault.Rename, "link": fault.Link, "remove": fault.Remove,
	"mkdir": fault.Mkdir, "open": fault.Open, "read": fault.Read, "list": fault.List, "stat": fault.Stat, "changes": fault.Changes, "any": fault.Any,
}

// Kinds are the names of kinds of calls to a disk, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds)) }

// failures are what calls to a disk may fail with.
var failures = map[string]error{
	"EIO": syscall.EIO, "ENOSPC": syscall.ENOSPC, "EROFS": syscall.EROFS, "EACCES": syscall.EACCES, "EMFILE": syscall.EMFILE,
}

// Errors are the names of what calls to a disk may fail with, sorted.
func Errors() []string { return slices.Sorted(maps.Keys(failures)) }

// ErrorName is the name of an error that calls to a disk may fail with.
func ErrorName(err error) (name string, ok bool) {
	for _, name := range Errors() {
		if errors.Is(err, failures[name]) {
			return name, true
		}
	}
	return "", false
}

// fault gives the calls as a disk takes them.
func (c *Calls) fault() (fault.Calls, error) {
	var calls fault.Calls
	if c == nil {
		return calls, nil
	}
	for _, name := range c.Kinds {
		kind, ok := kinds[name]
		if !ok {
			return calls, Errorf(BadOrder, "no calls %q to a disk: there are %s", name, strings.Join(Kinds(), ", "))
		}
		calls.Kinds |= kind
	}
	if c.After < 0 {
		return calls, Errorf(BadOrder, "%d calls cannot pass first", c.After)
	}
	calls.After = c.After
	if part := c.Path; part != "" {
		calls.Path = func(path string) bool { return strings.Contains(path, part) }
	}
	return calls, nil
}

// KindNames are the names of a set of kinds, as Calls have them.
func KindNames(set fault.Kind) []string {
	var names []string
	for _, name := range Kinds() {
		if kind := kinds[name]; name != "any" && name != "changes" && set&kind != 0 {
			names = append(names, name)
		}
	}
	return names
}
