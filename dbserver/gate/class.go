package gate

import (
	"fmt"
	"time"
)

// Class says what an operation does inside the gate, and so which locks wait for it.
type Class uint8

// Classes of operations.
const (
	Writer     Class = iota // a write, or the commit of a transaction on one shard: every lock waits for it
	Committing              // a transaction on several shards, until it is applied on all: every lock waits for it
	Open                    // a transaction from its first write to its end: a lock in mode Transactions waits for it
	classes    = iota
)

// Mode says for which operations a lock waits, and which it holds up.
type Mode string

// Modes of a lock. What an open transaction has written is in no engine before it commits, so it does not
// matter to a cut whether the transaction is inside.
const (
	Transactions Mode = "transactions" // it waits for all that are inside, and holds up all
	Commits      Mode = "commits"      // it waits for who writes or commits, and holds them up; open transactions go on, and begin
)

// Entry is an operation that is about to enter. The zero value is a write that waits as long as its context lasts.
type Entry struct {
	Class Class
	Who   string    // names it to those who wait for it; "": it is counted
	Begun time.Time // when what Who names began; zero: when it enters
	Until time.Time // it waits no longer; zero: as long as its context lasts
	// Opened says that it belongs to a transaction that is inside as Open, here or at another server. A lock that waits for
	// the transaction lets it go on, and commit: otherwise each would wait for the other.
	Opened bool
}

// guest is an operation inside that has a name.
type guest struct {
	who   string
	class Class
	begun time.Time // zero: with since
	since time.Time
}

func (v *guest) String() string {
	doing := map[Class]string{Writer: "writing", Committing: "committing", Open: "open"}
	began := ""
	if !v.begun.IsZero() {
		began = fmt.Sprintf(", which began %s ago", time.Since(v.begun).Round(time.Millisecond))
	}
	return fmt.Sprintf("%s%s, %s for %s", v.who, began, doing[v.class], time.Since(v.since).Round(time.Millisecond))
}
