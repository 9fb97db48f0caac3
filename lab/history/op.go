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

// Read is the Kind of operations that change nothing.
const Read = "read"

// The kinds of what a workload notes about itself, which no client did.
const (
	Setup    = "setup"    // collections were made
	Restored = "restored" // the cluster came into the state of a backup
)

// Op is one operation of one client.
type Op struct {
	Workload string
	Client   int
	Process  int    // of the client: a new one after an operation whose outcome is unknown
	Kind     string // of the workload: "insert", "transfer", "read", "append", …
	Key      string
	Value    json.RawMessage // what was asked for
	Result   json.RawMessage // what was answered
	Begin    time.Duration   // on the history's clock
	End      time.Duration
	// Order numbers beginnings and ends in the order in which this process saw them, so that two moments
	// of one virtual instant have an order. EndOrder is 0 if the operation has not ended.
	BeginOrder, EndOrder uint64
	Outcome              Outcome
	Error                string
}

// Note says whether the operation is a note of the workload, and none of a client.
func (o Op) Note() bool { return o.Kind == Setup || o.Kind == Restored }

// Write says whether a client asked for a change.
func (o Op) Write() bool { return o.Kind != Read && !o.Note() }

// Moment is a point on the history's clock.
type Moment struct {
	At    time.Duration `json:"at"`
	Order uint64        `json:"order"`
}

// Tally counts operations of clients.
type Tally struct {
	Begun, OK, Fail, Info int
	// Longest is how long the slowest write took that was acknowledged.
	Longest time.Duration
}

// Open is how many operations have not ended.
func (t Tally) Open() int { return t.Begun - t.OK - t.Fail - t.Info }

// begun counts an operation that begins.
func (t *Tally) begun(o Op) {
	if !o.Note() {
		t.Begun++
	}
}

// ended counts an operation that has ended.
func (t *Tally) ended(o Op) {
	if o.Note() {
		return
	}
	switch o.Outcome {
	case OK:
		t.OK++
		if o.Write() {
			t.Longest = max(t.Longest, o.End-o.Begin)
		}
	case Fail:
		t.Fail++
	default:
		t.Info++
	}
}
