package fault

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Message selects messages between two hosts and says what happens to them. A message is a request of HTTP
// with its answer, or a call of Raft with its response.
type Message struct {
	From, To string // hosts: who asks, who answers; "": any
	// Path is the beginning of the path, "/_db/…"; of a call of Raft it is "raft/AppendEntries" or the like. A "*"
	// stands for anything up to the next slash. "" is any path.
	Path string
	Do   MessageFault
	// By is how much later with DelayIt and Duplicate; within how long with Reorder (0: a second); and with
	// LoseRequest and LoseAnswer after how long the connection breaks for the caller (0: 15 minutes).
	By    time.Duration
	After int // so many selected messages pass first
	Every int // of the others each n-th is concerned; 0: each
	Times int // so many are concerned; 0: all until the rule ends
}

// MessageFault is what happens to a message.
type MessageFault string

// The faults of messages.
const (
	// LoseRequest: it never arrives, and the caller gets no answer. The caller waits until its context ends or
	// its connection breaks. To the caller it is a request that was sent: a connection was used, and the body was written
	// (httptrace says so), as with a loss on a network.
	LoseRequest MessageFault = "lose request"
	// LoseAnswer: it is done, and the caller gets no answer. The answer of a server is read to its end and thrown
	// away. An answer that is a stream is lost from its beginning; the connection stays open until the caller
	// gives up, and only then does the server learn of it.
	LoseAnswer MessageFault = "lose answer"
	// Duplicate: it arrives twice, the second time when the first has been answered. The caller gets the
	// first answer at once. A second answer that is a stream is read for at most 30 seconds. A message that
	// cannot be kept is not selected: a body of more than 8 MiB or of unknown length, a large snapshot of Raft.
	Duplicate MessageFault = "duplicate"
	// DelayIt: it arrives later. If the caller gives up before, it arrives nevertheless, as it would on a
	// network, and its answer is thrown away.
	DelayIt MessageFault = "delay"
	// Reorder: it is held back until a later one that is selected, between the same two hosts, has been
	// answered. One at a time is held between two hosts. If the caller gives up, see DelayIt.
	Reorder MessageFault = "reorder"
)

// faults are those that exist.
var faults = map[MessageFault]bool{LoseRequest: true, LoseAnswer: true, Duplicate: true, DelayIt: true, Reorder: true}

// Check says what is wrong with a rule, nil if nothing is.
func (m Message) Check() error {
	switch {
	case !faults[m.Do]:
		return fmt.Errorf("message fault %q: want %q, %q, %q, %q or %q", m.Do, LoseRequest, LoseAnswer, Duplicate, DelayIt, Reorder)
	case m.By < 0 || m.After < 0 || m.Every < 0 || m.Times < 0:
		return fmt.Errorf("message fault %q: By %v, After %d, Every %d and Times %d must not be negative", m.Do, m.By, m.After, m.Every, m.Times)
	case m.Do == DelayIt && m.By == 0:
		return fmt.Errorf("message fault %q: By is missing: it says how much later messages arrive", m.Do)
	}
	return nil
}

// String is the rule in one line.
func (m Message) String() string {
	or := func(s string) string {
		if s == "" {
			return "any"
		}
		return s
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s -> %s %s", m.Do, or(m.From), or(m.To), or(m.Path))
	if m.By > 0 {
		fmt.Fprintf(&b, " by %v", m.By)
	}
	for _, limit := range []struct {
		name string
		n    int
	}{{"after", m.After}, {"every", m.Every}, {"times", m.Times}} {
		if limit.n > 0 {
			fmt.Fprintf(&b, " %s %d", limit.name, limit.n)
		}
	}
	return b.String()
}

// meeting is one message on its way.
type meeting struct{ from, to, address, path string }

func (m Message) selects(x meeting) bool {
	equal := func(want, have string) bool { return want == "" || want == have }
	return equal(m.From, x.from) && equal(m.To, x.to) && begins(x.path, m.Path)
}

// begins tells whether path begins as wanted.
func begins(path, wanted string) bool {
	for {
		before, after, star := strings.Cut(wanted, "*")
		if !strings.HasPrefix(path, before) {
			return false
		}
		if !star {
			return true
		}
		path, wanted = path[len(before):], after
		if slash := strings.IndexByte(path, '/'); slash >= 0 {
			path = path[slash:]
		} else {
			path = ""
		}
	}
}

// sending is a message as its protocol sends it.
type sending interface {
	repeatable() bool               // whether again works
	again() (sending, error)        // another one with the same content; not after send
	send(ctx context.Context) error // sends it, and waits for the beginning of the answer
	discard()                       // reads the answer to its end and throws it away
	close()                         // gives it up before it was sent

	// lose does what a caller sees of a message that is lost on its way. detach runs what outlasts the call. The caller
	// calls done when it gives up.
	lose(ctx context.Context, x meeting, detach func(func())) (done func())
}
