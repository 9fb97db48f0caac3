package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stasis/internal/apierror"
)

// report prints as the reference's program logs, since scripts read its lines by
// fields: "<time> [<pid>] <LEVEL> [<5-hex id>] {backup} <text>". With --json it
// prints to standard error, and only what went wrong.
type report struct {
	out   io.Writer
	level int
	quiet bool // only errors
}

// Levels, the most severe first.
const (
	levelFatal = iota
	levelError
	levelWarning
	levelInfo
)

var logLevels = map[string]int{"fatal": levelFatal, "error": levelError, "warning": levelWarning, "warn": levelWarning, "info": levelInfo, "debug": levelInfo, "trace": levelInfo}

var levelNames = [...]string{"FATAL", "ERROR", "WARNING", "INFO"}

func newReport(cmd *cobra.Command, o *serverOptions) report {
	out := cmd.OutOrStdout()
	if o.json {
		out = cmd.ErrOrStderr()
	}
	return report{out: out, level: logLevels[strings.ToLower(o.logLevel)], quiet: o.json}
}

// Ids of the lines, one for each kind of text, so that they can be filtered by.
const (
	idVersion  = "b6d5e"
	idResult   = "7f3a1"
	idList     = "c01d9"
	idWarning  = "f448b"
	idProgress = "2a9c4"
	idError    = "8bde3"
)

func (r report) line(level int, id, format string, args ...any) {
	if level > r.level || (r.quiet && level > levelError) {
		return
	}
	fmt.Fprintf(r.out, "%s [%d] %s [%s] {backup} %s\n", time.Now().UTC().Format(time.RFC3339), os.Getpid(), levelNames[level], id, fmt.Sprintf(format, args...))
}

func (r report) info(id, format string, args ...any) { r.line(levelInfo, id, format, args...) }

// failed reports err as the result of a command, in the reference's words.
func (r report) failed(command string, err error) error {
	var answer *apierror.Error
	if errors.As(err, &answer) {
		r.line(levelError, idError, "Error during backup operation '%s': got invalid response from server: HTTP %d: %s", command, answer.Status(), answer.Message)
	} else {
		r.line(levelError, idError, "Error during backup operation '%s': %s", command, err)
	}
	return fmt.Errorf("%w: %w", errReported, err)
}

func printJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
