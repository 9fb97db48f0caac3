// Package progress shows how far something is: bars that are redrawn on a terminal. Where the
// output is no terminal nothing is redrawn and no control character is written, so that logs
// of scripts stay readable.
package progress

import (
	"io"
	"os"

	"github.com/vbauerster/mpb/v8"
	"golang.org/x/term"
)

// barWidth is how many columns a bar has.
const barWidth = 32

// terminal says whether out is one.
func terminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// newBars starts to draw bars on a terminal.
func newBars(out io.Writer) *mpb.Progress {
	return mpb.New(mpb.WithOutput(out), mpb.WithAutoRefresh())
}
