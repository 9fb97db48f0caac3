package director

import (
	"fmt"
	"slices"

	"stasis/event"
	"stasis/lab/check"
	"stasis/lab/history"
	"stasis/lab/scenario"
	"stasis/lab/verdict"
	"stasis/lab/workload"
)

// straddling counts the operations of the load that were in flight while one of some backups was being taken.
func straddling(r *run, of ...*operation) int {
	var cuts []workload.Cut
	for _, o := range of {
		cuts = append(cuts, o.cut)
	}
	n := 0
	for _, op := range r.history.Ops() {
		if !op.Note() && slices.ContainsFunc(cuts, func(cut workload.Cut) bool {
			return op.BeginOrder < cut.Returned.Order && (op.EndOrder == 0 || op.EndOrder > cut.Asked.Order)
		}) {
			n++
		}
	}
	return n
}

// atCuts counts the operations of the load that were in flight while the gates of one of some backups were asked for or held.
func atCuts(r *run, of ...*operation) int {
	return check.Straddling(r.history, gatesOf(r, of...), func(o history.Op) bool { return !o.Note() })
}

// commitsAtCuts needs so many writes that were in flight then. What they show is judged elsewhere: with fewer the run shows too little.
func (r *run) commitsAtCuts(e scenario.Expectation) string {
	own := r.stage.operations.successful()
	n := check.Straddling(r.history, gatesOf(r, own...), func(o history.Op) bool { return o.Write() && o.Outcome != history.Fail })
	if least := scenario.Count(e.Args["count"]); n < least {
		r.result.missed("line %d: %s: there were %d", e.Line, e.Text, n)
	}
	return ""
}

// gatesOf are the events of some backups.
func gatesOf(r *run, of ...*operation) []event.Event {
	var own []event.Event
	for _, e := range r.events.list() {
		if slices.ContainsFunc(of, func(o *operation) bool { return e.ID == o.created.ID && e.ID != "" }) {
			own = append(own, e)
		}
	}
	return own
}

// fewStraddle says why the operations of the load show too little, and what has to be known of their number. What straddles the
// backups that the check takes by itself does not count: the scenario's faults have healed by then.
func fewStraddle(r *run, own, straddling, atCuts int) (vacuous, notes []string) {
	const least = verdict.EnoughAtCuts
	begun := slices.ContainsFunc(r.stage.operations.all, func(o *operation) bool { return o.Kind == "create" })
	switch {
	case len(r.loads.all) == 0:
		notes = append(notes, "without load no operations straddle a backup: the rule about them does not apply")
	case !begun:
		notes = append(notes, "the scenario takes no backup of its own: no operation straddles one")
	case own == 0:
		notes = append(notes, "none of the scenario's own backups has succeeded: no operation straddles one")
	case straddling == 0:
		vacuous = append(vacuous, "no operation straddled the scenario's own backups: no cut could have torn one")
	case atCuts < least:
		notes = append(notes, fmt.Sprintf("%d operations straddled the cuts of the scenario's own backups, fewer than %d, and %d the whole backups", atCuts, least, straddling))
	}
	return vacuous, notes
}
