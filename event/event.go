// Package event has the typed events that backup, restore, transfer and supervision emit, one for each
// step, when the step is reached and before the next begins.
//
// The package is experimental: names may change until the fault lab is finished.
//
// One stream feeds the progress display, the logs, the lock report, the metrics and the fault tests. A
// program receives it in three ways:
//
//   - From a cluster in its own process, as a [Sink]: minicluster.Seams.Steps. A Sink is called between two
//     steps, so that it can break something at a chosen one. Package fault has triggers for that.
//   - From a coordinator, over HTTP: GET /_stasis/steps answers one [Event] as a line of JSON for each, with
//     ?follow=true also for every new one.
//   - From the command line, as text: each line is [Event.String].
//
// A Sink that waits for one step of one server looks like this:
//
//	linked := make(chan event.Event, 1)
//	sink := func(ctx context.Context, e event.Event) {
//		if e.Step == event.Linked && e.Server == server {
//			linked <- e
//		}
//	}
//
// In JSON, names are in camelCase, times are RFC 3339, and durations are numbers of nanoseconds. Fields that
// are zero are left out, but for at, operation, id and step.
package event

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Name names a step of a protocol. Its text is what users read and what the wire carries. Packages that emit
// events may have names of their own beside those listed here.
type Name string

// Steps of a create, in order. A step of one DB server comes once for each of them, with its id in Server.
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
	CutDone       Name = "cut" // of one DB server
	GatesOpened   Name = "gates opened"
	Thawed        Name = "Plan thawed"
	Linking       Name = "linking"
	Linked        Name = "linked" // of one DB server
	Verified      Name = "verified"
	Sealed        Name = "sealed"
	Committing    Name = "committing"
	Committed     Name = "committed"
	Publishing    Name = "publishing"
	Published     Name = "published" // of one DB server
	Undoing       Name = "undoing"
	Undone        Name = "undone"
)

// Steps of a restore, in order, after the [AgencyLock] steps of a create.
const (
	Matched        Name = "servers matched"
	Staging        Name = "staging"
	Staged         Name = "staged" // of one DB server
	PlanSwitching  Name = "switching Plan"
	PlanSwitched   Name = "Plan switched"
	EngineSwapping Name = "swapping engine" // emitted by the DB server itself
	EngineSwapped  Name = "engine swapped"  // emitted by the DB server itself
	Converging     Name = "waiting for servers"
	Restored       Name = "restored"
)

// Event is one thing that happened. Zero fields do not apply.
type Event struct {
	At        time.Time `json:"at"`
	Operation string    `json:"operation"` // "create", "restore", "delete", …
	ID        string    `json:"id"`        // of the backup
	Step      Name      `json:"step"`
	Server    string    `json:"server,omitempty"`  // the id of the DB server concerned
	Attempt   int       `json:"attempt,omitempty"` // the first is 1

	// Window is how long this attempt to lock waits for the gates. In JSON it is a number of nanoseconds.
	Window time.Duration `json:"window,omitempty"`
	// Elapsed is how long the step took. In JSON it is a number of nanoseconds.
	Elapsed time.Duration `json:"elapsed,omitempty"`

	Detail string `json:"detail,omitempty"`
	Error  string `json:"error,omitempty"`
}

// Sink receives events, those of one operation in their order. It is called synchronously between two
// steps of the protocol: what it does is done before the operation goes on, and while it
// does not return the operation waits. The context is that of the operation. Operations run
// at the same time, so a Sink has to be safe for concurrent use. A nil Sink receives nothing.
type Sink func(context.Context, Event)

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
