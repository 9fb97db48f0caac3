package director

import (
	"fmt"
	"slices"
	"time"

	"stasis/event"
	"stasis/lab/scenario"
)

// structural are the steps by which Plan gets another leader, replica or server.
var structural = []event.Name{"leader changed", "follower added", "follower removed", "follower replaced"}

// freeze is a part of the events: from the agency lock of an operation to a step, or to the end of the freeze, if that
// comes first. The change at its end may be seen by the supervision before the operation hears of it, so the part
// ends with the event before the step.
type freeze struct {
	from, to int // indexes of the events
	reached  time.Time
	id       string
	over     bool // Plan is frozen no more, or the step was reached
	ended    bool // the step was reached, while Plan was frozen
}

// thaws are the steps of a create before which its freeze has ended; lost are those of the supervision, which takes the one lock away.
var (
	thaws = []event.Name{event.Thawed, event.Committed, event.Undone}
	lost  = []event.Name{event.AgencyLockExpired, event.LockHolderRemoved}
)

// freezes are those of all creates of the run.
func freezes(all []event.Event, step string) []freeze {
	open := map[string]*freeze{}
	var list []*freeze
	for i, e := range all {
		f := open[e.ID]
		if slices.Contains(lost, e.Step) {
			for _, held := range list {
				held.over = true
			}
		}
		switch {
		case e.Operation == event.Create && e.Step == "agency lock acquired":
			f = &freeze{from: i, to: i, id: e.ID}
			open[e.ID] = f
			list = append(list, f)
		case f == nil || f.over:
		case e.Operation == event.Create && string(e.Step) == step:
			f.over, f.ended, f.reached = true, true, e.At
		case slices.Contains(thaws, e.Step):
			f.over = true
		case e.Operation == event.Create && e.Emitter == all[f.from].Emitter:
			f.to = i
		}
	}
	var done []freeze
	for _, f := range list {
		done = append(done, *f)
	}
	return done
}

// frozen looks at the freezes of all backups. That one reached the step has to be true of the scenario's own: those that the check
// takes come after the faults.
func (r *run) frozen(e scenario.Expectation) string {
	all := r.events.list()
	parts := freezes(all, e.Args["step"])
	ended := false
	for _, f := range parts {
		ended = ended || f.ended && !labelled(f.id, probe)
		for _, one := range all[f.from:f.to] {
			if slices.Contains(structural, one.Step) {
				return fmt.Sprintf("%v after %s had the agency lock: %s", one.At.Sub(all[f.from].At), f.id, one)
			}
		}
	}
	if !ended {
		return fmt.Sprintf("no backup of the scenario reached %q while Plan was frozen for it", e.Args["step"])
	}
	return ""
}

func (r *run) leaderChanges(e scenario.Expectation) string {
	if early := r.frozen(e); early != "" {
		return early
	}
	all := r.events.list()
	limit := scenario.Time(e.Args["time"])
	for _, f := range freezes(all, e.Args["step"]) {
		for _, one := range all[f.to:] {
			if one.Step != "leader changed" || !f.ended {
				continue
			}
			if after := one.At.Sub(f.reached); limit > 0 && after > limit {
				return fmt.Sprintf("the first leader changed %v after %q of %s", after, e.Args["step"], f.id)
			}
			return ""
		}
	}
	return fmt.Sprintf("no leader changed after %q", e.Args["step"])
}
