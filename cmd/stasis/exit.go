package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
)

// errReported marks an error that the command has told the user already.
var errReported = errors.New("reported")

// notReady turns the error of a start that was interrupted into words.
func notReady(err error) error {
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted before it was ready")
	}
	return err
}

// interrupted turns an error that is only "context canceled" into words.
func interrupted(err error) error {
	if errors.Is(err, context.Canceled) {
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
