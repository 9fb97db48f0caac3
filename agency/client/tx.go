package client

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"stasis/fsm"
)

// Node is a value tree as the agency keeps it; nil means missing.
type Node = fsm.Node

// Frozen says whether Plan is frozen in a tree that has keys.HotBackup, at least Create
// and Holder/thawed.
func Frozen(root *Node) bool { return fsm.Frozen(root) }

// Tx is one transaction: all of Ops or nothing, and only if all of Pre hold.
// Both are keyed by path. A plain value among Ops is set, a plain value in Pre
// must be equal; the builders say everything else.
type Tx struct {
	Ops map[string]any
	Pre map[string]any
}

// NewTx makes an empty transaction.
func NewTx() Tx { return Tx{Ops: map[string]any{}, Pre: map[string]any{}} }

// operation and condition tell the builders' results from plain values.
type (
	operation map[string]any
	condition map[string]any
)

// Set replaces the subtree by v.
func Set(v any) any { return operation{"op": "set", "new": v} }

// Delete removes the node; deleting a missing one is no error.
func Delete() any { return operation{"op": "delete"} }

// Increment adds step to an integer; a missing node counts as 0. It is not
// idempotent: use it only where counting twice does no harm (versions).
func Increment(step int64) any { return operation{"op": "increment", "step": step} }

// Push appends v to an array.
func Push(v any) any { return operation{"op": "push", "new": v} }

// PushQueue appends v to an array, and drops its oldest elements until at most
// length are left.
func PushQueue(v any, length int) any {
	return operation{"op": "push-queue", "new": v, "len": length}
}

// Erase removes every element equal to v from an array.
func Erase(v any) any { return operation{"op": "erase", "val": v} }

// SetFor replaces the subtree by v, which the agency forgets after the time to live
// (counted in milliseconds by the clock of the agency's leader).
func SetFor(v any, ttl time.Duration) any {
	return operation{"op": "set", "new": v, "ttl": float64(ttl.Milliseconds()) / 1000}
}

// Old holds if the node equals v. A missing node compares as {}.
func Old(v any) any { return condition{"old": v} }

// OldEmpty holds if the node's absence is as given: true means missing.
func OldEmpty(missing bool) any { return condition{"oldEmpty": missing} }

// Written is a transaction from the text of its two objects as they go over the
// wire, operators and all; preconditions may be empty.
func Written(operations, preconditions []byte) (Tx, error) {
	tx := NewTx()
	var ops, pre map[string]any
	if err := json.Unmarshal(operations, &ops); err != nil || ops == nil {
		return Tx{}, fmt.Errorf("%w: the operations are no JSON object: %s", ErrRejected, operations)
	}
	if len(preconditions) == 0 {
		preconditions = []byte("{}")
	}
	if err := json.Unmarshal(preconditions, &pre); err != nil || pre == nil {
		return Tx{}, fmt.Errorf("%w: the preconditions are no JSON object: %s", ErrRejected, preconditions)
	}
	for path, v := range ops {
		if o, ok := v.(map[string]any); ok && o["op"] != nil {
			v = operation(o)
		}
		tx.Ops[path] = v
	}
	for path, v := range pre {
		if o, ok := v.(map[string]any); ok {
			v = condition(o)
		}
		tx.Pre[path] = v
	}
	return tx, nil
}

// Exactly is the precondition that the node still has the value that was read:
// Old for a value, [OldEmpty] for a missing one.
func Exactly(n *Node) any {
	if !n.Exists() {
		return OldEmpty(true)
	}
	return condition{"old": n, "oldEmpty": false}
}

// Encode writes the transaction as the wire wants it: [ops, preconditions,
// client id].
func (t Tx) Encode(clientID string) ([]byte, error) {
	return json.Marshal([]any{wrapOperations(t.Ops), wrapConditions(t.Pre), clientID})
}

// wrapOperations turns plain values into explicit operations: a stored object that
// happens to have an attribute "op" must not be taken for one.
func wrapOperations(ops map[string]any) map[string]any {
	out := make(map[string]any, len(ops))
	for path, v := range ops {
		if _, built := v.(operation); !built {
			v = Set(v)
		}
		out[path] = v
	}
	return out
}

// wrapConditions turns plain values into comparisons.
func wrapConditions(pre map[string]any) map[string]any {
	out := make(map[string]any, len(pre))
	for path, v := range pre {
		if _, built := v.(condition); !built {
			v = Old(v)
		}
		out[path] = v
	}
	return out
}

// repeatable says whether applying the transaction twice is the same as once.
func (t Tx) repeatable() bool {
	return !slices.ContainsFunc(slices.Collect(maps.Values(t.Ops)), func(v any) bool {
		o, built := v.(operation)
		return built && o["op"] != "set" && o["op"] != "delete"
	})
}
