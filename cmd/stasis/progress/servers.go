package progress

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"stasis/client"
	"stasis/cmd/stasis/show"
)

// Servers shows how far every DB server is with its part of a transfer: a bar for each on a
// terminal; elsewhere a line whenever a server's status changes or a tenth more is done.
type Servers struct {
	out   io.Writer
	bars  *mpb.Progress // nil: lines
	drawn map[string]*serverBar
	shown map[string]string
}

type serverBar struct {
	bar  *mpb.Bar
	text atomic.Value // string: what stands behind the bar
}

// NewServers starts to show something on out. Close ends it.
func NewServers(out io.Writer) *Servers { return newServers(out, terminal(out)) }

func newServers(out io.Writer, redrawn bool) *Servers {
	s := &Servers{out: out, drawn: map[string]*serverBar{}, shown: map[string]string{}}
	if redrawn {
		s.bars = newBars(out)
	}
	return s
}

// Show takes over how a transfer stands.
func (s *Servers) Show(st client.TransferStatus) {
	for _, server := range slices.Sorted(maps.Keys(st.DBServers)) {
		e := st.DBServers[server]
		if s.bars != nil {
			s.draw(server, e)
		} else {
			s.say(server, e)
		}
	}
}

func (s *Servers) draw(server string, e client.ServerTransfer) {
	b := s.drawn[server]
	if b == nil {
		b = &serverBar{}
		b.text.Store("")
		b.bar = s.bars.AddBar(1, mpb.BarWidth(barWidth), mpb.PrependDecorators(decor.Name(server+" ")),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return b.text.Load().(string) })))
		s.drawn[server] = b
	}
	done, total := extent(e)
	b.text.Store(" " + describe(e))
	b.bar.SetTotal(max(total, done, 1), false)
	b.bar.SetCurrent(done)
}

func (s *Servers) say(server string, e client.ServerTransfer) {
	done, total := extent(e)
	if now := fmt.Sprint(e.Status, done*10/max(total, done, 1)); s.shown[server] != now {
		s.shown[server] = now
		fmt.Fprintf(s.out, "%s %s\n", server, describe(e))
	}
}

// Close leaves the bars as they are, and waits until they are drawn.
func (s *Servers) Close() {
	if s.bars == nil {
		return
	}
	for _, b := range s.drawn {
		b.bar.Abort(false)
	}
	s.bars.Wait()
}

// extent is how much of a part is done. What is completed is, also if it had nothing to do.
func extent(e client.ServerTransfer) (done, total int64) {
	if e.Progress != nil {
		done, total = e.Progress.BytesDone, e.Progress.BytesTotal
	}
	if e.Status == client.TransferCompleted {
		done, total = max(total, 1), max(total, 1)
	}
	return done, total
}

// describe is what is known of a part, in words.
func describe(e client.ServerTransfer) string {
	p := e.Progress
	if p == nil {
		p = &client.TransferProgress{}
	}
	done, total := extent(e)
	return fmt.Sprintf("%3d %%, %d/%d files, %s of %s, %s/s, %s", done*100/max(total, done, 1), p.Done, p.Total,
		show.Bytes(p.BytesDone), show.Bytes(p.BytesTotal), show.Bytes(int64(p.BytesPerSecond)), e.Status)
}
