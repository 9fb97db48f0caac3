package workload

import (
	"encoding/json"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/anishathalye/porcupine"

	"stasis/lab/history"
)

// The writes of a register or a document.
const (
	blindly = "write"   // whatever is there
	swap    = "cas"     // if what was read is still there
	fresh   = "insert"  // if nothing is there
	over    = "replace" // if anything is there
	gone    = "remove"  // what is there
)

// What a document answers to a write that it refuses.
const (
	exists  = "exists"  // there is something
	absent  = "absent"  // there is nothing
	differs = "differs" // there is something else than was read
)

// access is what an operation does to a register.
type access struct {
	kind   string
	before string // swap: the value that it replaces
	value  string // that is written or was read; "": there is nothing
	answer string // exists, absent or differs; "": it was done
	maybe  bool   // it is not known whether it was done: it may have been refused
}

// step says whether a register that has a value can answer so, and what it has then.
func (a access) step(has string) (ok bool, then string) {
	refused := ""
	switch {
	case a.kind == history.Read:
		return has == a.value, has
	case a.kind == fresh && has != "":
		refused = exists
	case has == "" && (a.kind == over || a.kind == gone || a.kind == swap):
		refused = absent
	case a.kind == swap && has != a.before:
		refused = differs
	}
	if refused != "" {
		return a.maybe || a.answer == refused, has
	}
	return a.answer == "", a.value
}

// registerOps are what is known of one register.
type registerOps struct {
	key   string
	base  string // what was there when the generation began
	found string // what the state has
	ops   []porcupine.Operation
	last  int // the client of the read that is added
}

// ticks is how many points of time a moment has, so that an instant lies between two moments.
const ticks = 4

// never is the end of a call whose outcome is not known.
const never = math.MaxInt64 / 2

// add adds an operation, unless it was refused: then it has changed nothing, and a read has seen nothing.
func (r *registerOps) add(o history.Op) error {
	a := access{kind: o.Kind, maybe: o.Outcome == history.Info}
	switch {
	case o.Outcome == history.Fail || o.Outcome == history.Info && !o.Write():
		return nil
	case o.Write():
		var w written
		err := json.Unmarshal(o.Value, &w)
		if err == nil && len(o.Result) > 0 {
			err = json.Unmarshal(o.Result, &a.answer)
		}
		if err != nil {
			return err
		}
		if a.value, err = valueOf(w.Doc); err != nil {
			return err
		}
		a.before = w.Before
	default:
		var err error
		if a.value, err = valueOf(o.Result); err != nil {
			return err
		}
	}
	end := int64(never)
	if o.EndOrder != 0 && o.Outcome == history.OK {
		end = ticks * int64(o.EndOrder)
	}
	r.ops = append(r.ops, porcupine.Operation{ClientId: o.Process, Input: a, Call: ticks * int64(o.BeginOrder), Return: end})
	r.last = max(r.last, o.Process+1)
	return nil
}

// valueOf is the value of a register; "" if it is not there.
func valueOf(doc json.RawMessage) (string, error) {
	if len(doc) == 0 || string(doc) == "null" {
		return "", nil
	}
	v, err := versionOf(doc)
	return v.ID, err
}

// mostSteps bounds how long one question may take: by work, as a clock in a bubble stands still meanwhile.
const mostSteps = 5_000_000

// explained says whether there is an order of the operations that each of them and the clients' clocks agree with,
// with a read between two points of time that sees what the state has. Without a read from and to are 0.
func (r *registerOps) explained(from, to int64, most int64) (bool, error) {
	var steps atomic.Int64
	model := porcupine.Model{
		Init: func() any { return r.base },
		Step: func(state, input, _ any) (bool, any) {
			if steps.Add(1) > most { // ends the search soon
				return false, state
			}
			ok, then := input.(access).step(state.(string))
			return ok, then
		},
	}
	ops := r.ops
	if to > 0 {
		ops = append(ops[:len(ops):len(ops)], porcupine.Operation{ClientId: r.last, Input: access{kind: history.Read, value: r.found}, Call: from, Return: to})
	}
	if porcupine.CheckOperations(model, ops) {
		return true, nil
	}
	if steps.Load() > most {
		return false, fmt.Errorf("%w: %s: an order of its %d operations was not found in %d steps", ErrUndecided, r.key, len(r.ops), most)
	}
	return false, nil
}
