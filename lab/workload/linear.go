package workload

import (
	"encoding/json"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/anishathalye/porcupine"

	"stasis/lab/history"
)

// The writes of a register.
const (
	blindly = "write" // whatever is there
	swap    = "cas"   // if what was read is still there
)

// access is what an operation does to a register.
type access struct {
	write  bool
	before string // of a write that replaces this value alone
	value  string // that is written or was read; "": there is nothing
	maybe  bool   // it is not known whether it was done: it may have been refused
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
	a := access{write: o.Write(), maybe: o.Outcome == history.Info}
	switch {
	case o.Outcome == history.Fail || o.Outcome == history.Info && !a.write:
		return nil
	case a.write:
		var w written
		if err := json.Unmarshal(o.Value, &w); err != nil {
			return err
		}
		v, err := versionOf(w.Doc)
		if err != nil {
			return err
		}
		a.value = v.ID
		if o.Kind == swap {
			a.before = w.Before
		}
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
			a := input.(access)
			switch {
			case steps.Add(1) > most: // ends the search soon
				return false, state
			case !a.write:
				return state == a.value, state
			case a.before != "" && state != a.before:
				return a.maybe, state
			}
			return true, a.value
		},
	}
	ops := r.ops
	if to > 0 {
		ops = append(ops[:len(ops):len(ops)], porcupine.Operation{ClientId: r.last, Input: access{value: r.found}, Call: from, Return: to})
	}
	if porcupine.CheckOperations(model, ops) {
		return true, nil
	}
	if steps.Load() > most {
		return false, fmt.Errorf("%w: %s: an order of its %d operations was not found in %d steps", ErrUndecided, r.key, len(r.ops), most)
	}
	return false, nil
}
