package show

import (
	"fmt"
	"io"
	"os"
	"time"
)

// Report prints lines as arangobackup logs, since scripts read them by fields:
// "<time> [<pid>] <LEVEL> [<5-hex id>] {backup} <text>".
type Report struct {
	Out   io.Writer
	Level Level // lines that are less severe are left out
	Names Names // of the servers
}

// Level is how severe a line is.
type Level int

// Levels, the most severe first.
const (
	Fatal Level = iota
	Error
	Warning
	Info
)

// ParseLevel reads a level. The less severe ones of ArangoDB, which have no lines here, are
// Info.
func ParseLevel(name string) Level {
	switch name {
	case "fatal":
		return Fatal
	case "error":
		return Error
	case "warning", "warn":
		return Warning
	}
	return Info
}

var levelNames = [...]string{"FATAL", "ERROR", "WARNING", "INFO"}

// ID stands in a line for its kind, so that lines can be filtered by it.
type ID string

// Ids of lines.
const (
	Version  ID = "b6d5e"
	Result   ID = "7f3a1"
	list     ID = "c01d9"
	caution  ID = "f448b"
	Progress ID = "2a9c4"
	failure  ID = "8bde3"
)

// line prints one line.
func (r Report) line(level Level, id ID, format string, args ...any) {
	if level > r.Level {
		return
	}
	fmt.Fprintf(r.Out, "%s [%d] %s [%s] {backup} %s\n", time.Now().UTC().Format(time.RFC3339), os.Getpid(), levelNames[level], id, fmt.Sprintf(format, args...))
}

// Info prints a line that says how things stand.
func (r Report) Info(id ID, format string, args ...any) { r.line(Info, id, format, args...) }

// Warn prints a line about what the user should know.
func (r Report) Warn(format string, args ...any) { r.line(Warning, caution, format, args...) }

// Err prints a line about what is wrong.
func (r Report) Err(format string, args ...any) { r.line(Error, failure, format, args...) }
