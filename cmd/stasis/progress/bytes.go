package progress

import (
	"io"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Bytes shows how many of so many bytes have been written to it. It shows nothing if its
// output is no terminal. Close clears the bar.
type Bytes struct {
	bars *mpb.Progress // nil: nothing is shown
	bar  *mpb.Bar
}

// NewBytes starts to show something on out. A total that is not positive is not known.
func NewBytes(out io.Writer, what string, total int64) *Bytes {
	return newBytes(out, what, total, terminal(out))
}

func newBytes(out io.Writer, what string, total int64, redrawn bool) *Bytes {
	if !redrawn {
		return &Bytes{}
	}
	b := &Bytes{bars: newBars(out)}
	b.bar = b.bars.AddBar(max(total, 0), mpb.BarWidth(barWidth), mpb.PrependDecorators(decor.Name(what+" ")),
		mpb.AppendDecorators(decor.CountersKibiByte(" % .1f of % .1f"), decor.AverageSpeed(decor.SizeB1024(0), ", % .1f")))
	return b
}

// Write counts.
func (b *Bytes) Write(p []byte) (int, error) {
	if b.bar != nil {
		b.bar.IncrBy(len(p))
	}
	return len(p), nil
}

// Close clears the bar.
func (b *Bytes) Close() {
	if b.bars == nil {
		return
	}
	b.bar.Abort(true)
	b.bars.Wait()
}
