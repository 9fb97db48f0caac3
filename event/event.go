// Package event defines the typed events that backup, restore, transfer and
// supervision emit. One source feeds the progress display, the logs, the lock
// report, the metrics and the fault tests: "when prmr-2 has linked, kill the
// coordinator" is a Sink that looks for that event.
package event

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Name is one step of a protocol.
type Name string

// Steps of a backup, in order (design section 5).
const (
	AgencyLock    Name = "acquiring agency lock"
	AgencyLocked  Name = "agency lock acquired"
	AgencyWaiting Name = "waiting for agency lock"
	PlanDump      Name = "reading Plan"
	Prepare       Name = "preparing"
	LockAttempt   Name = "locking"
	LockFailed    Name = "lock attempt failed"
	Locked        Name = "all gates held"
	Unprotected   Name = "going on without the global lock"
	Cut           Name = "cutting"
	CutDone       Name = "cut"
	GatesOpened   Name = "gates opened"
	Thawed        Name = "Plan thawed"
	Linking       Name = "linking"
	Linked        Name = "linked"
	Verified      Name = "verified"
	Sealed        Name = "sealed"
	Committing    Name = "committing"
	Committed     Name = "committed"
	Publishing    Name = "publishing"
	Published     Name = "published"
	Undoing       Name = "undoing"
	Undone        Name = "undone"
)

// Steps of a restore, in order (design section 6). It begins with the
// AgencyLock steps.
const (
	Matched        Name = "servers matched"
	Staging        Name = "staging"
	Staged         Name = "staged"
	PlanSwitching  Name = "switching Plan"
	PlanSwitched   Name = "Plan switched"
	EngineSwapping Name = "swapping engine" // emitted by the DB server
	EngineSwapped  Name = "engine swapped"  // emitted by the DB server
	Converging     Name = "waiting for servers"
	Restored       Name = "restored"
)

// Event is one thing that happened. Zero fields do not apply.
type Event struct {
	At        time.Time     `json:"at"`
	Operation string        `json:"operation"` // "create", "restore", "delete"
	ID        string        `json:"id"`        // backup id
	Step      Name          `json:"step"`
	Server    string        `json:"server,omitempty"` // the DB server concerned
	Attempt   int           `json:"attempt,omitempty"`
	Window    time.Duration `json:"window,omitempty"` // how long this attempt waits; nanoseconds on the wire
	Elapsed   time.Duration `json:"elapsed,omitempty"`
	Detail    string        `json:"detail,omitempty"`
	Error     string        `json:"error,omitempty"`
}

// Sink receives events, in order per operation. It is called synchronously
// between two steps of the protocol and must return soon; a fault test may do
// its damage before it returns.
type Sink func(context.Context, Event)

// Emit calls the sink if there is one, and stamps the event.
func (s Sink) Emit(ctx context.Context, e Event) {
	if s == nil {
		return
	}
	if e.At.IsZero() {
		e.At = time.Now()
	}
	s(ctx, e)
}

// Tee sends every event to all sinks, in order.
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
	if e.Window > 0 {
		notes = append(notes, "window "+e.Window.Round(time.Millisecond).String())
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
