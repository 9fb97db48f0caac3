package history

import (
	"encoding/json"
	"fmt"
	"time"
)

// Format is the format number of files written now. Files of the format before, in which nothing is amended, are read too.
const (
	Format       = 2
	formatBefore = 1
)

// header is the first line of a file.
type header struct {
	Stasis string `json:"stasis"` // "history"
	Format int    `json:"format"`
	Began  string `json:"began"` // by the wall clock, as RFC 3339 has it
}

// begin is the line of an operation that begins; amend that of one of which more is known; end that of one that has ended. Amend and
// end name the begin by its order.
type (
	begin struct {
		Order    uint64          `json:"begin"`
		At       time.Duration   `json:"at"` // nanoseconds
		Workload string          `json:"workload,omitempty"`
		Client   int             `json:"client"`
		Process  int             `json:"process"`
		Kind     string          `json:"kind"`
		Key      string          `json:"key,omitempty"`
		Value    json.RawMessage `json:"value,omitempty"`
	}
	amend struct {
		Order uint64          `json:"amend"`
		Of    uint64          `json:"of"`
		At    time.Duration   `json:"at"` // nanoseconds
		Value json.RawMessage `json:"value"`
	}
	end struct {
		Order   uint64          `json:"end"`
		Of      uint64          `json:"of"`
		At      time.Duration   `json:"at"` // nanoseconds
		Outcome Outcome         `json:"outcome"`
		Result  json.RawMessage `json:"result,omitempty"`
		Error   string          `json:"error,omitempty"`
	}
)

func beginOf(o Op) begin {
	return begin{o.BeginOrder, o.Begin, o.Workload, o.Client, o.Process, o.Kind, o.Key, o.Value}
}

func endOf(o Op) end {
	return end{o.EndOrder, o.BeginOrder, o.End, o.Outcome, o.Result, o.Error}
}

func (b begin) op() Op {
	return Op{
		Workload: b.Workload, Client: b.Client, Process: b.Process, Kind: b.Kind, Key: b.Key, Value: b.Value,
		Begin: b.At, BeginOrder: b.Order, Outcome: Info,
	}
}

// apply ends the operation as the line says.
func (e end) apply(o *Op) {
	o.End, o.EndOrder, o.Outcome, o.Result, o.Error = e.At, e.Order, e.Outcome, e.Result, e.Error
}

// line is a value as a line of a file.
func line(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write history: %w", err)
	}
	return append(raw, '\n'), nil
}
