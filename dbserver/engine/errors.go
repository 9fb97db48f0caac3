package engine

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"

	"stasis/internal/apierror"
)

// ErrClosed is returned by every call after Close.
var ErrClosed = errors.New("engine is closed")

// ErrRefused marks the error of a commit that was not begun, because the disk is full at
// present, hangs, or has failed. Nothing of the commit was applied or will be.
var ErrRefused = errors.New("commit refused")

// ErrAbandoned marks the error of a call that was abandoned because the disk hangs. Its
// outcome is unknown: the call goes on inside the engine, and ends when the disk answers.
var ErrAbandoned = errors.New("the outcome is unknown")

// DirError says what did not work with the engine in a directory. Err is the error without
// the directory, for readers to whom the directory means nothing.
type DirError struct {
	Op  string // open or check
	Dir string
	Err error
}

func (e *DirError) Error() string { return fmt.Sprintf("%s engine %s: %v", e.Op, e.Dir, e.Err) }

// Unwrap gives Err.
func (e *DirError) Unwrap() error { return e.Err }

// translate gives errors of the disk the numbers of the wire.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pebble.ErrClosed):
		return ErrClosed
	case errors.Is(err, syscall.ENOSPC):
		return apierror.New(apierror.NoSpace, "no space left on disk: %w", err)
	case strings.Contains(err.Error(), detailCarrier):
		return oneLine{err}
	}
	return err
}

// detailCarrier is what Pebble's errors of corruption end with: it carries details for
// programs and says nothing to people.
const detailCarrier = "<corruption detail carrier>"

// oneLine is an error of Pebble without that.
type oneLine struct{ error }

func (e oneLine) Error() string {
	return strings.ReplaceAll(strings.ReplaceAll(e.error.Error(), "\n"+detailCarrier, ""), detailCarrier, "")
}

func (e oneLine) Unwrap() error { return e.error }
