package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// ErrFormat: it is not the file of a history, or not of a format that this version reads.
var ErrFormat = errors.New("not a history that this version can read")

// Parse reads a file. What is recorded afterwards comes after what was read, and is not written to the file.
func Parse(r io.Reader) (*History, error) {
	h := New()
	f := file{h: h, at: map[uint64]int{}}
	in := bufio.NewReader(r)
	for n := 1; ; n++ {
		raw, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) { // a line without its end was cut off: what it says has not happened yet
			break
		}
		if err == nil {
			err = f.line(n, raw)
		}
		if err != nil {
			return nil, fmt.Errorf("history, line %d: %w", n, err)
		}
	}
	if f.lines == 0 {
		return nil, fmt.Errorf("history: %w: it has no first line", ErrFormat)
	}
	// Ends come in their own order.
	slices.SortFunc(h.ops, func(a, b Op) int { return int(int64(a.BeginOrder) - int64(b.BeginOrder)) })
	h.start = time.Now()
	return h, nil
}

// file is a file that is read.
type file struct {
	h     *History
	at    map[uint64]int // where an operation is, by the order of its beginning
	lines int
}

func (f *file) line(n int, raw []byte) error {
	f.lines++
	if n == 1 {
		return f.header(raw)
	}
	var which struct {
		Begin, Amend, End uint64
	}
	if err := json.Unmarshal(raw, &which); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	switch {
	case which.Begin > 0:
		return f.begin(raw)
	case which.Amend > 0:
		return f.amend(raw)
	case which.End > 0:
		return f.end(raw)
	}
	return fmt.Errorf("%w: it says neither what began, nor what was amended, nor what ended", ErrFormat)
}

func (f *file) header(raw []byte) error {
	var h header
	if err := json.Unmarshal(raw, &h); err != nil || h.Stasis != "history" {
		return fmt.Errorf("%w: want {\"stasis\":\"history\",\"format\":%d,…}", ErrFormat, Format)
	}
	if h.Format != Format && h.Format != formatBefore {
		return fmt.Errorf("%w: its format is %d, this version reads %d and %d", ErrFormat, h.Format, formatBefore, Format)
	}
	began, err := time.Parse(time.RFC3339, h.Began)
	if err != nil {
		return fmt.Errorf("%w: when it began: %w", ErrFormat, err)
	}
	f.h.began = began
	return nil
}

func (f *file) begin(raw []byte) error {
	var b begin
	if err := json.Unmarshal(raw, &b); err != nil {
		return err
	}
	if _, known := f.at[b.Order]; known {
		return fmt.Errorf("%w: %d began twice", ErrFormat, b.Order)
	}
	f.at[b.Order] = len(f.h.ops)
	f.h.ops = append(f.h.ops, b.op())
	f.h.tally.begun(b.op())
	f.passed(b.Order, b.At)
	return nil
}

func (f *file) amend(raw []byte) error {
	var a amend
	if err := json.Unmarshal(raw, &a); err != nil {
		return err
	}
	i, known := f.at[a.Of]
	if !known || f.h.ops[i].EndOrder != 0 || a.Order <= a.Of {
		return fmt.Errorf("%w: %d cannot amend %d", ErrFormat, a.Order, a.Of)
	}
	f.h.ops[i].Value = a.Value
	f.passed(a.Order, a.At)
	return nil
}

func (f *file) end(raw []byte) error {
	var e end
	if err := json.Unmarshal(raw, &e); err != nil {
		return err
	}
	i, known := f.at[e.Of]
	if !known || f.h.ops[i].EndOrder != 0 || e.Order <= e.Of {
		return fmt.Errorf("%w: %d cannot be the end of %d", ErrFormat, e.Order, e.Of)
	}
	e.apply(&f.h.ops[i])
	f.h.tally.ended(f.h.ops[i])
	f.passed(e.Order, e.At)
	return nil
}

// passed lets the history go on after a moment.
func (f *file) passed(order uint64, at time.Duration) {
	f.h.order, f.h.offset = max(f.h.order, order), max(f.h.offset, at)
}
