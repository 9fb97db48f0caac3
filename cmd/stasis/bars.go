package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"stasis/agency/keys"
	"stasis/coordinator/backup"
)

// bars show the progress of every DB server: redrawn on a terminal; elsewhere a line
// whenever a server's state changes or a tenth more of it is done.
type bars struct {
	out    io.Writer // nil: show nothing
	redraw bool
	drawn  int
	said   map[string]string
}

func newBars(cmd *cobra.Command, o *serverOptions) *bars {
	b := &bars{out: cmd.ErrOrStderr(), said: map[string]string{}}
	if o.json {
		b.out = nil
	}
	if f, ok := b.out.(*os.File); ok {
		b.redraw = term.IsTerminal(int(f.Fd()))
	}
	return b
}

const barWidth = 30

func (b *bars) show(st backup.TransferStatus) {
	if b.out == nil {
		return
	}
	if b.redraw && b.drawn > 0 {
		fmt.Fprintf(b.out, "\x1b[%dA", b.drawn)
	}
	for _, server := range slices.Sorted(maps.Keys(st.DBServers)) {
		e := st.DBServers[server]
		tenths, line := drawn(server, e)
		if b.redraw {
			fmt.Fprintf(b.out, "\x1b[2K%s\n", line)
			continue
		}
		if now := fmt.Sprint(e.Status, tenths); b.said[server] != now {
			b.said[server] = now
			fmt.Fprintln(b.out, line)
		}
	}
	b.drawn = len(st.DBServers)
}

// drawn is one server's line, and how many tenths are done.
func drawn(server string, e backup.TransferServerStatus) (tenths int, line string) {
	p := e.Progress
	if p == nil {
		p = &keys.TransferProgress{}
	}
	part := 0.0
	switch {
	case e.Status == keys.TransferCompleted:
		part = 1
	case p.BytesTotal > 0:
		part = float64(p.BytesDone) / float64(p.BytesTotal)
	}
	full := int(part * barWidth)
	return int(part * 10), fmt.Sprintf("%s [%s%s] %3.0f %% %d/%d files, %s of %s, %s/s  %s", server,
		strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), part*100, p.Done, p.Total,
		bytesText(p.BytesDone), bytesText(p.BytesTotal), bytesText(int64(p.BytesPerSecond)), e.Status)
}

// bytesText is a number of bytes for people.
func bytesText(n int64) string {
	f, unit := float64(n), 0
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	for f >= 1024 && unit < len(units)-1 {
		f, unit = f/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[unit])
}

func (b *bars) end() { b.drawn = 0 }
