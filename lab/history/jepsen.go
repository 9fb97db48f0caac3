package history

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// Event is one event of a history as Jepsen has it. Value is made of nil, numbers, strings, keywords, slices
// of any, and maps from string or int to any.
type Event struct {
	Index   int
	Type    Keyword // invoke, ok, fail or info
	F       Keyword
	Process int
	Time    int64 // nanoseconds
	Value   any
}

// Translate says what an operation is in a model of Jepsen's: its function, what was asked for, and what was
// answered. use is false if the operation is none of the model.
type Translate func(Op) (f string, asked, answered any, use bool)

// Events are the events of operations, in their order. An operation that has not ended ends with info after all
// others: Elle looks for the writer of what was read among the ends alone, and gives up if there is none.
func Events(ops []Op, as Translate) []Event {
	type numbered struct {
		order uint64
		Event
	}
	var all, open []numbered
	var last int64 // time
	for _, o := range ops {
		if o.Note() {
			continue
		}
		f, asked, answered, use := as(o)
		if !use {
			continue
		}
		last = max(last, int64(o.Begin), int64(o.End))
		all = append(all, numbered{o.BeginOrder, Event{Type: "invoke", F: Keyword(f), Process: o.Process, Time: int64(o.Begin), Value: asked}})
		if o.EndOrder == 0 {
			open = append(open, numbered{o.BeginOrder, Event{Type: Keyword(Info), F: Keyword(f), Process: o.Process, Value: asked}})
			continue
		}
		if o.Outcome != OK {
			answered = asked
		}
		all = append(all, numbered{o.EndOrder, Event{Type: Keyword(o.Outcome), F: Keyword(f), Process: o.Process, Time: int64(o.End), Value: answered}})
	}
	byOrder := func(a, b numbered) int { return cmp.Compare(a.order, b.order) }
	slices.SortFunc(all, byOrder)
	slices.SortFunc(open, byOrder)
	for _, o := range open {
		o.Time = last
		all = append(all, o)
	}
	events := make([]Event, len(all))
	for i, e := range all {
		events[i] = e.Event
		events[i].Index = i
	}
	return events
}

// WriteEDN writes events as EDN, a map a line, which Jepsen, Elle and elle-cli read.
func WriteEDN(w io.Writer, events []Event) error {
	out := bufio.NewWriter(w)
	for _, e := range events {
		text, err := edn(e.Value)
		if err != nil {
			return fmt.Errorf("event %d: %w", e.Index, err)
		}
		fmt.Fprintf(out, "{:index %d, :type :%s, :f :%s, :process %d, :time %d, :value %s}\n", e.Index, e.Type, e.F, e.Process, e.Time, text)
	}
	return out.Flush()
}

// WriteJSON writes events as one JSON array, which elle-cli reads.
func WriteJSON(w io.Writer, events []Event) error {
	type object struct {
		Index   int     `json:"index"`
		Type    Keyword `json:"type"`
		F       Keyword `json:"f"`
		Process int     `json:"process"`
		Time    int64   `json:"time"`
		Value   any     `json:"value"`
	}
	out := bufio.NewWriter(w)
	before := "["
	for _, e := range events {
		raw, err := json.Marshal(object(e))
		if err != nil {
			return fmt.Errorf("event %d: %w", e.Index, err)
		}
		fmt.Fprintf(out, "%s%s", before, raw)
		before = ",\n"
	}
	if len(events) == 0 {
		fmt.Fprint(out, before)
	}
	fmt.Fprintln(out, "]")
	return out.Flush()
}
