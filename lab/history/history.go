package history

import (
	"encoding/json"
	"io"
	"slices"
	"sync"
	"time"
)

// Options of a history. The zero value keeps all in memory.
type Options struct {
	Stream io.Writer // gets every moment as a line; nil: nothing is written
	Forget bool      // keep counts only: Ops returns nothing
}

// History collects operations of all clients on one clock. It is safe for use by many goroutines.
type History struct {
	start  time.Time
	offset time.Duration // where the clock began: a history that was read goes on
	began  time.Time     // by the wall clock
	out    *stream
	forget bool

	mu    sync.Mutex // is held for no wait
	order uint64
	ops   []Op
	tally Tally
}

// New starts the clock.
func New() *History { return Open(Options{}) }

// Open starts the clock of a history with options.
func Open(o Options) *History {
	now := time.Now()
	h := &History{start: now, began: now.Round(0), forget: o.Forget}
	if o.Stream != nil {
		h.out = newStream(o.Stream)
		h.out.add(header{Stasis: "history", Format: Format, Began: h.began.UTC().Format(time.RFC3339Nano)})
	}
	return h
}

// now is the present moment, for one who holds the lock.
func (h *History) now() Moment {
	h.order++
	return Moment{At: h.offset + time.Since(h.start), Order: h.order}
}

// Now is the present moment.
func (h *History) Now() Moment {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now()
}

// Ops is a copy of what has been recorded, in the order of the beginnings.
func (h *History) Ops() []Op {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.ops)
}

// Last is the last moment of an operation that is not after a time of the wall clock. Its order is 0 if there is
// none. The wall clock is that of the machine of the clients, as it was when they began.
func (h *History) Last(t time.Time) Moment {
	h.mu.Lock()
	defer h.mu.Unlock()
	var last Moment
	until := t.Sub(h.began)
	look := func(m Moment) {
		if m.At <= until && m.Order > last.Order {
			last = m
		}
	}
	for _, o := range h.ops {
		look(Moment{o.Begin, o.BeginOrder})
		look(Moment{o.End, o.EndOrder})
	}
	return last
}

// Tally counts what has been recorded.
func (h *History) Tally() Tally {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tally
}

// Call is an operation that has begun.
type Call struct {
	h     *History
	op    Op
	index int // in ops
}

// Begin records that an operation begins. Call it before the request is sent, and send nothing after an error:
// it means that the history cannot be written.
func (h *History) Begin(o Op) (*Call, error) {
	c := h.begin(o)
	return c, h.out.flush()
}

func (h *History) begin(o Op) *Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.now()
	o.Begin, o.BeginOrder, o.Outcome, o.End, o.EndOrder = at.At, at.Order, Info, 0, 0
	c := &Call{h: h, op: o, index: len(h.ops)}
	if !h.forget {
		h.ops = append(h.ops, o)
	}
	h.tally.begun(o)
	h.out.add(beginOf(o))
	return c
}

// Amend puts a value in the place of that with which the operation began: what is asked for has become known in full. Like Begin
// it comes before the request is sent that has an effect, and after an error nothing may be sent.
func (c *Call) Amend(value json.RawMessage) error {
	c.h.amend(c, value)
	return c.h.out.flush()
}

func (h *History) amend(c *Call, value json.RawMessage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.now()
	c.op.Value = value
	if !h.forget {
		h.ops[c.index].Value = value
	}
	h.out.add(amend{at.Order, c.op.BeginOrder, at.At, value})
}

// End records how the operation ended, once. An error of writing is that of the next Begin, and of Flush.
func (c *Call) End(outcome Outcome, result json.RawMessage, why error) Op {
	c.h.end(c, outcome, result, why)
	_ = c.h.out.flush() // it is kept: the next Begin returns it
	return c.op
}

func (h *History) end(c *Call, outcome Outcome, result json.RawMessage, why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.now()
	c.op.End, c.op.EndOrder, c.op.Outcome, c.op.Result = at.At, at.Order, outcome, result
	if why != nil {
		c.op.Error = why.Error()
	}
	if !h.forget {
		h.ops[c.index] = c.op
	}
	h.tally.ended(c.op)
	h.out.add(endOf(c.op))
}

// Flush returns when everything that was recorded has been written, or the first error of writing.
func (h *History) Flush() error { return h.out.flush() }
