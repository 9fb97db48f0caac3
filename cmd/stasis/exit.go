package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// errReported marks an error that the command has told the user already.
var errReported = errors.New("reported")

// errVacuous is an end in which nothing is wrong, and nothing was shown either.
var errVacuous = fmt.Errorf("%w: vacuous", errReported)

// status is the exit status of the program.
func status(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errVacuous):
		return 3
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
