package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Op is one write of a chain: it stores Doc under Key. A chain's operations are
// numbered from 1; each began after the one before it had been acknowledged.
type Op struct {
	N          int
	Collection string
	Key        string
	Doc        json.RawMessage
	Begin      time.Duration // since the history's start, on this machine's monotonic clock
	End        time.Duration // when it was acknowledged
	Acked      bool          // false: the outcome is unknown, and the chain ended here
}

// Chain is what one sequential client did. A client whose write ended unknown
// begins a new chain.
type Chain struct {
	Name string
	Ops  []Op
}

// History collects the chains of all clients on one clock. It is safe for use by
// many goroutines; each chain belongs to one.
type History struct {
	start  time.Time
	mu     sync.Mutex
	chains []*Chain
}

// NewHistory starts the clock.
func NewHistory() *History { return &History{start: time.Now()} }

// Now is the time on the history's clock.
func (h *History) Now() time.Duration { return time.Since(h.start) }

// Chains is a copy of what has been recorded so far.
func (h *History) Chains() []Chain {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]Chain, len(h.chains))
	for i, c := range h.chains {
		all[i] = Chain{Name: c.Name, Ops: slices.Clone(c.Ops)}
	}
	return all
}

func (h *History) newChain(name string) *Chain {
	c := &Chain{Name: name}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.chains = append(h.chains, c)
	return c
}

func (h *History) begin(c *Chain, op Op) {
	h.mu.Lock()
	defer h.mu.Unlock()
	op.Begin = h.Now()
	c.Ops = append(c.Ops, op)
}

func (h *History) acknowledged(c *Chain) {
	h.mu.Lock()
	defer h.mu.Unlock()
	last := &c.Ops[len(c.Ops)-1]
	last.End, last.Acked = h.Now(), true
}

// dropLast forgets an operation that the server refused.
func (h *History) dropLast(c *Chain) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.Ops = c.Ops[:len(c.Ops)-1]
}

// State is what was found: collection → key → document, without _id and _rev.
type State map[string]map[string]json.RawMessage

// Verdict is what a check found. Present and Absent count operations; of an
// absent one nothing is in the state.
type Verdict struct {
	Chains   int
	Present  int
	Absent   int
	Unknown  int           // operations without an answer, whether seen or not
	Earliest time.Duration // the state is that of some instant in [Earliest, Latest)
	Latest   time.Duration
}

// Check decides whether state is what the recorded chains had written at one
// single instant, and whether that instant lies within [after, before] of the
// history's clock (the backup was asked for at after and had returned at before).
//
// For each chain the state must be exactly the replay of its first p operations:
// no hole, nothing altered, nothing extra. Then the chains are compared: an
// operation that is there had begun by the instant; one that is absent though
// acknowledged had not been acknowledged before it. So one instant exists if and
// only if every present operation began before every absent one was acknowledged.
// (This is linearizability of one snapshot read over sequential writers whose
// writes are all distinguishable; no search is needed.)
func Check(chains []Chain, state State, after, before time.Duration) (Verdict, error) {
	v := Verdict{Chains: len(chains), Earliest: after, Latest: before}
	early, late := "the call", "its return"
	found := split(state)
	for _, c := range chains {
		present, err := prefix(c, found[c.Name])
		if err != nil {
			return v, err
		}
		delete(found, c.Name)
		v.Present, v.Absent = v.Present+present, v.Absent+len(c.Ops)-present
		for i, op := range c.Ops {
			switch {
			case !op.Acked:
				v.Unknown++
				if i < present && op.Begin > v.Earliest {
					v.Earliest, early = op.Begin, fmt.Sprintf("%s/%d", c.Name, op.N)
				}
			case i < present && op.Begin > v.Earliest:
				v.Earliest, early = op.Begin, fmt.Sprintf("%s/%d", c.Name, op.N)
			case i >= present && op.End < v.Latest:
				v.Latest, late = op.End, fmt.Sprintf("%s/%d", c.Name, op.N)
			}
		}
	}
	if len(found) > 0 {
		return v, fmt.Errorf("documents of chains that no writer wrote: %v", slices.Sorted(maps.Keys(found)))
	}
	if v.Earliest >= v.Latest {
		return v, fmt.Errorf("not one instant: %s is there and began at %v, %s is not and was acknowledged at %v", early, v.Earliest, late, v.Latest)
	}
	return v, nil
}

// mark is what every document of a chain carries.
type mark struct {
	Chain string `json:"chain"`
	N     int    `json:"n"`
}

type place struct{ collection, key string }

// split sorts the documents by the chain that is named in them.
func split(state State) map[string]map[place]json.RawMessage {
	found := map[string]map[place]json.RawMessage{}
	for collection, docs := range state {
		for key, doc := range docs {
			var m mark
			if json.Unmarshal(doc, &m) != nil || m.Chain == "" {
				m.Chain = "(unmarked)"
			}
			if found[m.Chain] == nil {
				found[m.Chain] = map[place]json.RawMessage{}
			}
			found[m.Chain][place{collection, key}] = doc
		}
	}
	return found
}

// prefix finds how many operations of the chain the documents show, and demands
// that they are exactly the replay of that many.
func prefix(c Chain, docs map[place]json.RawMessage) (int, error) {
	last := 0
	for at, doc := range docs {
		var m mark
		if err := json.Unmarshal(doc, &m); err != nil {
			return 0, fmt.Errorf("chain %s, %s/%s: %w", c.Name, at.collection, at.key, err)
		}
		last = max(last, m.N)
	}
	if last > len(c.Ops) {
		return 0, fmt.Errorf("chain %s: operation %d is there, but only %d were begun", c.Name, last, len(c.Ops))
	}
	want := map[place]json.RawMessage{}
	for _, op := range c.Ops[:last] {
		want[place{op.Collection, op.Key}] = op.Doc
	}
	for at, doc := range want {
		got, ok := docs[at]
		if !ok {
			return 0, fmt.Errorf("chain %s: operation %d is there, but %s/%s of an earlier one is missing", c.Name, last, at.collection, at.key)
		}
		if !sameJSON(got, doc) {
			return 0, fmt.Errorf("chain %s at operation %d: %s/%s is %s, want %s", c.Name, last, at.collection, at.key, got, doc)
		}
	}
	for at := range docs {
		if _, ok := want[at]; !ok {
			return 0, fmt.Errorf("chain %s at operation %d: %s/%s should not be there", c.Name, last, at.collection, at.key)
		}
	}
	return last, nil
}

func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	// Re-encoding sorts the attributes.
	p, err1 := json.Marshal(x)
	q, err2 := json.Marshal(y)
	return err1 == nil && err2 == nil && bytes.Equal(p, q)
}
