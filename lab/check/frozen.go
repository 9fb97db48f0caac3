package check

import (
	"fmt"
	"slices"

	"stasis/event"
	"stasis/lab/verdict"
)

// Frozen judges the structure of a run: while Plan was frozen for a backup nothing in it changed, and what waited was done
// afterwards. The agency's log tells exactly. Without it, or if a part of it was not seen, the events of the run are looked at, of which
// those near the ends of a freeze prove nothing: an event is told after its fact.
func Frozen(events []event.Event, plans *Plans) []verdict.Violation {
	if plans == nil {
		return frozenByEvents(events)
	}
	var found []verdict.Violation
	for _, text := range plans.frozen() {
		found = append(found, verdict.Violation{Check: checkFrozen, Text: text})
	}
	if len(plans.Unknown()) > 0 {
		found = append(found, frozenByEvents(events)...)
	}
	return found
}

// structural are the steps by which Plan gets another leader, replica or server.
var structural = []event.Name{event.ShardLeaderChanged, event.FollowerAdded, event.FollowerRemoved, event.FollowerReplaced, event.CreationRemoved}

// surely are the steps of a create or restore between which Plan is frozen. The first comes after an answer of the agency that came
// after the lock, the last before the thaw is asked for.
var surely = []event.Name{
	event.Prepare, event.LockAttempt, event.TransactionAborted, event.LockFailed, event.Locked, event.Unprotected, event.Cut, event.CutDone, event.GatesOpened,
	event.Matched, event.Staging, event.Staged,
}

// frozenByEvents finds changes between two events of one operation that both prove the freeze.
func frozenByEvents(events []event.Event) []verdict.Violation {
	type operation struct{ emitter, id string }
	suspects := map[operation][]event.Event{} // since the last event that proves the freeze
	var found []verdict.Violation
	for _, e := range events {
		o := operation{e.Emitter, e.ID}
		_, open := suspects[o]
		switch {
		case e.Step == event.AgencyLockExpired || e.Step == event.LockHolderRemoved:
			clear(suspects) // there is one lock
		case slices.Contains(structural, e.Step):
			for o, list := range suspects {
				suspects[o] = append(list, e)
			}
		case e.Operation != event.Create && e.Operation != event.Restore:
		case slices.Contains(surely, e.Step) && (open || e.Step == event.Prepare || e.Step == event.Matched):
			for _, s := range suspects[o] {
				found = append(found, verdict.Violation{Check: checkFrozen, Text: fmt.Sprintf("Plan was frozen for %s %s, and it came to %s", e.Operation, e.ID, s)})
			}
			suspects[o] = nil
		case open && !gateStep(e.Step):
			delete(suspects, o)
		}
	}
	return found
}

func gateStep(step event.Name) bool {
	return slices.Contains([]event.Name{event.GateAsked, event.GateRefused, event.GateGranted, event.CutFixed, event.GateReleased, event.GateExpired}, step)
}
