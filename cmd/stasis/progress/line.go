package progress

import (
	"fmt"
	"io"
	"time"
)

// Line is a line that says how far something is. It is redrawn on a terminal; elsewhere it is written now and then.
type Line struct {
	out      io.Writer
	terminal bool
	shown    bool
	next     time.Time
}

// linesEvery is how often a line is written where nothing is redrawn.
const linesEvery = 10 * time.Second

// NewLine makes a line that shows nothing yet.
func NewLine(out io.Writer) *Line {
	return &Line{out: out, terminal: terminal(out), next: time.Now().Add(linesEvery)}
}

// Show shows a text instead of the one before.
func (l *Line) Show(text string) {
	switch now := time.Now(); {
	case l.terminal:
		fmt.Fprintf(l.out, "\r\x1b[K%s", text)
		l.shown = true
	case !now.Before(l.next):
		fmt.Fprintln(l.out, text)
		l.next = now.Add(linesEvery)
	}
}

// Close leaves what was shown last, and what follows begins on a new line.
func (l *Line) Close() {
	if l.shown {
		fmt.Fprintln(l.out)
	}
}
