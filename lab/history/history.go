// Package history records what clients did and saw.
//
// (contract; the owner of this package replaces this file)
package history

import (
	"encoding/json"
	"time"
)

// Outcome is what the client knows of an operation.
type Outcome string

// The outcomes, as Jepsen names them.
const (
	OK   Outcome = "ok"
	Fail Outcome = "fail" // it was refused: nothing was done
	Info Outcome = "info" // unknown
)

// Op is one operation of one client.
type Op struct {
	Workload string
	Client   int
	Kind     string // of the workload: "insert", "transfer", "read", "append", …
	Key      string
	Value    json.RawMessage // what was asked for
	Result   json.RawMessage // what was answered
	Begin    time.Duration   // on the history's clock
	End      time.Duration
	// Order numbers beginnings and ends in the order in which this process saw them, so that two moments
	// of one virtual instant have an order.
	BeginOrder, EndOrder uint64
	Outcome              Outcome
	Error                string
}

// History collects operations of all clients on one clock. It is safe for use by many goroutines.
type History struct{}

// New starts the clock.
func New() *History { panic("contract") }

// Moment is a point on the history's clock.
type Moment struct {
	At    time.Duration
	Order uint64
}

// Now is the present moment.
func (h *History) Now() Moment { panic("contract") }

// Ops is a copy of what has been recorded.
func (h *History) Ops() []Op { panic("contract") }
