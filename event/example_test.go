package event_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"stasis/event"
)

// A program shows the progress of a backup and keeps how long the gates were held.
func ExampleSink() {
	var held time.Duration
	show := func(_ context.Context, e event.Event) { fmt.Println(e) }
	measure := func(_ context.Context, e event.Event) {
		if e.Step == event.GatesOpened {
			held = e.Elapsed
		}
	}
	steps := event.Tee(show, measure)

	ctx := context.Background()
	steps.Emit(ctx, event.Event{Operation: "create", ID: "b", Step: event.LockAttempt, Attempt: 1, Window: 500 * time.Millisecond})
	steps.Emit(ctx, event.Event{Operation: "create", ID: "b", Step: event.GatesOpened, Elapsed: 12 * time.Millisecond})
	fmt.Println("held for", held)
	// Output:
	// locking (attempt 1, window 500ms)
	// gates opened (12ms)
	// held for 12ms
}

// An event as a coordinator sends it. Durations are nanoseconds.
func ExampleEvent_json() {
	line := `{"at":"2026-01-02T03:04:05Z","operation":"create","id":"b","step":"linked","server":"PRMR-1","elapsed":350000}`
	var e event.Event
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Step == event.Linked, e.Elapsed)
	fmt.Println(e)
	// Output:
	// true 350µs
	// linked PRMR-1 (350µs)
}
