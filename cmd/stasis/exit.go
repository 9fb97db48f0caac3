package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
)

// errReported marks an error that the command has told the user already.
var errReported = errors.New("reported")

// errVacuous is an end in which nothing is wrong, and nothing was shown either.
var errVacuous = statusError{exitVacuous, errReported}

// exitViolated is the exit status of a check that found something wrong.
const exitViolated = 1

// exitUnknown is the exit status of a check that could not find out.
const exitUnknown = 2

// exitVacuous is the exit status of runs of the lab that showed nothing.
const exitVacuous = 3

// statusError is an error with the exit status of the command.
type statusError struct {
	status int
	error
}

func (e statusError) Unwrap() error { return e.error }

// unknown marks an error after which it is not known whether what was checked holds.
func unknown(err error) error {
	if err == nil {
		return nil
	}
	return statusError{exitUnknown, err}
}

// exitStatus is the exit status that an error asks for.
func exitStatus(err error) int {
	var s statusError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &s):
		return s.status
	}
	return 1
}

// ended says whether err comes from the end of ctx. The cause of an end by a signal does not match
// context.Canceled, and some calls return the cause.
func ended(ctx context.Context, err error) bool {
	return errors.Is(err, context.Canceled) || ctx.Err() != nil && errors.Is(err, context.Cause(ctx))
}

// notReady turns the error of a start that was interrupted into words.
func notReady(ctx context.Context, err error) error {
	if ended(ctx, err) {
		return errors.New("interrupted before it was ready")
	}
	return err
}

// interrupted turns an error that is only the end of ctx into words.
func interrupted(ctx context.Context, err error) error {
	if ended(ctx, err) {
		return errors.New("interrupted")
	}
	return err
}

// printJSON prints a value for programs.
func printJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
