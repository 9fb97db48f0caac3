package locks

import (
	"fmt"
	"strings"
	"time"
)

// resource names what is locked.
func resource(s *Shard, k *keyLock) string {
	if k == nil {
		return "shard " + s.name
	}
	return fmt.Sprintf("key %q of shard %s", k.key, s.name)
}

// target names what a waiter waits for.
func (w *waiter) target() string {
	if w.whole {
		return "the whole of shard " + w.shard.name
	}
	return resource(w.shard, w.key)
}

// describe says who an owner is, for a sentence that goes on.
func (t *Table) describe(o *Owner) string {
	if o.tx == nil {
		return "a single operation"
	}
	s := "transaction " + o.tx.id
	if o.tx.coordinator != "" {
		s += " of coordinator " + o.tx.coordinator
	}
	if o.tx.begun.IsZero() {
		return s
	}
	return fmt.Sprintf("%s, which began %s ago,", s, round(time.Since(o.tx.begun)))
}

// round leaves of a length of time what a reader needs.
func round(d time.Duration) time.Duration {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	case d > time.Millisecond:
		return d.Round(10 * time.Microsecond)
	}
	return d
}

// heldFor is for how long an owner has had a resource.
func (t *Table) heldFor(st *stake, k *keyLock) time.Duration {
	since := st.since
	if k != nil && st.shard.sole != st && st.owner.tx != nil {
		since = k.since
	}
	if since == 0 { // a single operation, for which none has waited
		return 0
	}
	return t.now() - since
}

// describeHold says who has a resource, and for how long: "transaction 7 … has held it for 3s".
func (t *Table) describeHold(st *stake, k *keyLock) string {
	return fmt.Sprintf("%s has held it for %s", t.describe(st.owner), round(t.heldFor(st, k)))
}

// maxNamed bounds how many owners one message names.
const maxNamed = 4

// describeBlockers says who has what a waiter waits for.
func (t *Table) describeBlockers(w *waiter) string {
	var named []string
	held, before := 0, 0
	for e := range w.edges {
		switch {
		case e.ahead != nil:
			before++
		case held < maxNamed:
			named = append(named, t.describeHold(e.stake, w.key))
			held++
		default:
			held++
		}
	}
	if held > maxNamed {
		named = append(named, fmt.Sprintf("%d more have held a part of it", held-maxNamed))
	}
	if before > 0 {
		ahead := 0
		for other := w.prev; other != nil; other = other.prev {
			ahead++
		}
		named = append(named, fmt.Sprintf("%d waited before this one", ahead))
	}
	return strings.Join(named, "; ")
}

// maxSteps bounds how much of a cycle a message tells.
const maxSteps = 8

// describeCycle says who waits for what, and who has it.
func (t *Table) describeCycle(cycle []step) string {
	var told []string
	for i, st := range cycle {
		if i == maxSteps {
			told = append(told, "and so on")
			break
		}
		what := t.describe(st.from.owner) + " waits for " + st.from.target() + ": "
		if st.edge.ahead != nil {
			what += t.describe(st.edge.to) + " waits for it before"
		} else {
			what += t.describeHold(st.edge.stake, st.from.key)
		}
		told = append(told, what)
	}
	return strings.Join(told, "; ")
}
