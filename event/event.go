package event

import (
	"context"
	"fmt"
	"strings"
	"time"

	"stasis/internal/failpoint"
)

// Event is one thing that happened. Zero fields do not apply.
type Event struct {
	At        time.Time `json:"at"`
	Operation string    `json:"operation"` // one of the constants of this package: Create, Restore, Delete, …
	ID        string    `json:"id"`        // of the backup, the job, the shard or the server that the step is of
	Step      Name      `json:"step"`
	Emitter   string    `json:"emitter,omitempty"` // the id of the server that emitted the event
	Server    string    `json:"server,omitempty"`  // the id of the server concerned
	Attempt   int       `json:"attempt,omitempty"` // to hold all gates; the first is 1
	Term      uint64    `json:"term,omitempty"`    // of a leadership: Raft's term, or that of the shard

	// LockMode is how the gates are asked for ([LockAttempt], [Locked], [LockFailed], [Unprotected], [GateAsked]):
	// transactions, commits or none.
	LockMode string `json:"lockMode,omitempty"`
	// Window is how long this attempt to lock waits for the gates; of GateGranted, for how long the gate is held at most.
	// In JSON it is a number of nanoseconds.
	Window time.Duration `json:"window,omitempty"`
	// Elapsed is how long the step took. In JSON it is a number of nanoseconds.
	Elapsed time.Duration `json:"elapsed,omitempty"`

	Detail string `json:"detail,omitempty"`
	Error  string `json:"error,omitempty"`
}

// Sink receives events, those of one operation from one emitter in their order. It is called
// synchronously between two steps of the protocol: what it does is done before the operation goes on,
// and while it does not return the operation waits. It is never called while a mutex is held, so it may
// sleep or wait, also in a bubble of testing/synctest. The context is that of the operation: a Sink that
// waits has to return when it ends, because the server that emits waits for the Sink when it stops.
// Operations run at the same time, so a Sink has to be safe for concurrent use. A nil Sink receives
// nothing.
type Sink func(context.Context, Event)

// From is a Sink that names the emitter in every event before it passes the event on. A server wraps
// its sink once, at its start. It is nil if sink is nil. Where the fault lab has random delays, the
// server may wait after an event, before what follows.
func From(emitter string, sink Sink) Sink {
	if sink == nil {
		return nil
	}
	return func(ctx context.Context, e Event) {
		e.Emitter = emitter
		sink(ctx, e)
		failpoint.Linger(ctx, string(e.Step), emitter)
	}
}

// Emit calls the sink, if there is one. An event without a time gets the present one.
func (s Sink) Emit(ctx context.Context, e Event) {
	if s == nil {
		return
	}
	if e.At.IsZero() {
		e.At = time.Now()
	}
	s(ctx, e)
}

// Tee is a Sink that sends every event to all sinks, one after the other, with one time.
func Tee(sinks ...Sink) Sink {
	return func(ctx context.Context, e Event) {
		for _, s := range sinks {
			s.Emit(ctx, e)
		}
	}
}

// String is one line for people, without time and id:
// "locking PRMR-2 (attempt 3, window 605ms, 1.21s): writer still active".
func (e Event) String() string {
	var b strings.Builder
	b.WriteString(string(e.Step))
	if e.Server != "" {
		b.WriteString(" " + e.Server)
	}
	var notes []string
	if e.Attempt > 0 {
		notes = append(notes, fmt.Sprintf("attempt %d", e.Attempt))
	}
	if e.Term > 0 {
		notes = append(notes, fmt.Sprintf("term %d", e.Term))
	}
	if e.Window > 0 {
		notes = append(notes, "window "+e.Window.Round(time.Millisecond).String())
	}
	if e.LockMode != "" {
		notes = append(notes, "mode "+e.LockMode)
	}
	if e.Elapsed > 0 {
		notes = append(notes, e.Elapsed.Round(10*time.Microsecond).String())
	}
	if len(notes) > 0 {
		b.WriteString(" (" + strings.Join(notes, ", ") + ")")
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	if e.Error != "" {
		b.WriteString(": " + e.Error)
	}
	return b.String()
}

// Progress says whether an event is one of the steps that people follow while a create or a restore runs:
// not what each DB server tells of its gate beside it, and not what else goes on in a cluster.
func (e Event) Progress() bool {
	switch e.Step {
	case GateAsked, GateRefused, GateGranted, CutFixed, GateReleased, GateExpired:
		return false
	}
	return e.Operation == Create || e.Operation == Restore
}
