package director

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"stasis/client"
	"stasis/lab/history"
	"stasis/lab/scenario"
)

// promises say what is wrong with an expectation, by the names of their forms; "" if nothing is.
var promises = map[string]func(*run, scenario.Expectation) string{
	"exactly one":    func(r *run, e scenario.Expectation) string { return r.counted(e, 1, 1) },
	"at least one":   func(r *run, e scenario.Expectation) string { return r.counted(e, 1, len(r.named(e))) },
	"all":            func(r *run, e scenario.Expectation) string { return r.counted(e, len(r.named(e)), len(r.named(e))) },
	"none":           func(r *run, e scenario.Expectation) string { return r.counted(e, 0, 0) },
	"fails":          (*run).fails,
	"succeeds":       (*run).succeeds,
	"commits":        (*run).commitsAtCuts,
	"listed":         func(r *run, e scenario.Expectation) string { return r.isListed(e, true) },
	"not listed":     func(r *run, e scenario.Expectation) string { return r.isListed(e, false) },
	"holds gates":    (*run).holdsGates,
	"one instant":    (*run).oneInstant,
	"nothing left":   func(r *run, _ scenario.Expectation) string { return r.result.left.still },
	"serves":         func(r *run, _ scenario.Expectation) string { return r.result.served.still },
	"longest":        (*run).longest,
	"frozen":         (*run).frozen,
	"leader changes": (*run).leaderChanges,
	"nothing lost":   (*run).nothingLost,
	"restored":       (*run).wasRestored,
	"happens":        (*run).happens,
	"never":          (*run).neverHappens,
}

// expect judges what the scenario expects of a run that was made whole.
func (r *run) expect() {
	if r.result.failed() {
		return
	}
	for _, e := range r.scenario.Expect {
		if wrong := promises[e.Kind](r, e); wrong != "" {
			r.result.violated(e.Text, e.Line, wrong)
		}
	}
}

// named are the operations that an expectation is about.
func (r *run) named(e scenario.Expectation) []*operation {
	var all []*operation
	for _, l := range r.scenario.Labels(e.Args["operations"]) {
		all = append(all, r.stage.operations.byLabel[l])
	}
	return all
}

// outcome says how an operation ended.
func outcome(o *operation) string {
	switch {
	case !o.state():
		return o.Label + " did not begin"
	case o.unasked != nil:
		return fmt.Sprintf("%s could not be asked for: %v", o.Label, o.unasked)
	case o.err != nil:
		return fmt.Sprintf("%s failed: %v", o.Label, o.err)
	}
	return o.Label + " succeeded"
}

func (r *run) counted(e scenario.Expectation, least, most int) string {
	n := 0
	var all []string
	for _, o := range r.named(e) {
		if !o.state() { // it has not failed either
			return outcome(o)
		}
		if o.err == nil {
			n++
		}
		all = append(all, outcome(o))
	}
	if n < least || n > most {
		return fmt.Sprintf("%d succeeded: %s", n, strings.Join(all, "; "))
	}
	return ""
}

// inTime says whether an operation took too long.
func inTime(o *operation, e scenario.Expectation) string {
	limit, took := scenario.Time(e.Args["time"]), o.ended.Sub(o.begun)
	if limit > 0 && took > limit {
		return fmt.Sprintf("%s took %v", o.Label, took)
	}
	return ""
}

func (r *run) fails(e scenario.Expectation) string {
	for _, o := range r.named(e) {
		if !o.state() || o.err == nil {
			return outcome(o)
		}
		if text := e.Args["text"]; text != "" && !speaks(o.err, text) {
			return fmt.Sprintf("%s failed with another error: %v", o.Label, o.err)
		}
		if late := inTime(o, e); late != "" {
			return late
		}
	}
	return ""
}

// speaks says whether an error has a text or a number.
func speaks(err error, text string) bool {
	var answered *client.Error
	if n, is := strconv.Atoi(text); is == nil && errors.As(err, &answered) {
		return answered.Number == n
	}
	return strings.Contains(strings.ToLower(err.Error()), strings.ToLower(text))
}

func (r *run) succeeds(e scenario.Expectation) string {
	for _, o := range r.named(e) {
		if !o.state() || o.err != nil {
			return outcome(o)
		}
		if late := inTime(o, e); late != "" {
			return late
		}
	}
	return ""
}

// isListed judges whether the backups of operations are listed, or are not.
func (r *run) isListed(e scenario.Expectation, want bool) string {
	var wrong []string
	for _, o := range r.named(e) {
		switch {
		case o.listed && !want:
			wrong = append(wrong, o.created.ID+" is listed")
		case !o.listed && want:
			wrong = append(wrong, "there is no backup of "+outcome(o))
		}
	}
	return strings.Join(wrong, "; ")
}

func (r *run) holdsGates(e scenario.Expectation) string {
	limit := scenario.Time(e.Args["time"])
	for _, o := range r.named(e) {
		if !o.state() || o.err != nil {
			return outcome(o)
		}
		if held := time.Duration(o.created.LockReport.GateHoldSeconds * float64(time.Second)); held > limit {
			return fmt.Sprintf("%s held a gate for %v", o.Label, held)
		}
	}
	return ""
}

// oneInstant needs a backup of the scenario that was judged. What is wrong with one is a violation of its own, so without one
// nothing is wrong, and nothing is shown.
func (r *run) oneInstant(e scenario.Expectation) string {
	if r.result.judged == 0 {
		r.result.missed("line %d: %s: none of the scenario's own backups was judged", e.Line, e.Text)
	}
	return ""
}

func (r *run) longest(e scenario.Expectation) string {
	limit := scenario.Time(e.Args["time"])
	worst, took := history.Longest(r.history.Ops(), r.history.Now().At, func(op history.Op) bool {
		if e.Args["role"] == "read" {
			return op.Kind == history.Read
		}
		return op.Write()
	})
	if took >= limit {
		return fmt.Sprintf("%s of %s by client %d of %s took %v, from %v; it is %s", worst.Kind, worst.Key, worst.Client, worst.Workload, took, worst.Begin, worst.Ended())
	}
	return ""
}

func (r *run) nothingLost(scenario.Expectation) string {
	for _, op := range r.history.Ops() {
		if op.Write() && !op.Note() && op.Outcome == history.OK {
			return "" // what is lost is a violation of its own
		}
	}
	return "no write was acknowledged"
}

func (r *run) wasRestored(e scenario.Expectation) string {
	for _, b := range r.result.backups {
		if b.Label == labelOf(e) && r.result.restored == labelOf(e) {
			if limit := scenario.Time(e.Args["time"]); b.RTO > limit {
				return fmt.Sprintf("it took %v", b.RTO)
			}
			return ""
		}
	}
	return labelOf(e) + " was not restored"
}

func (r *run) happens(e scenario.Expectation) string {
	if len(r.events.timesOf(e.Args["step"], e.Args["server"])) == 0 {
		return "it did not happen"
	}
	return ""
}

func (r *run) neverHappens(e scenario.Expectation) string {
	if at := r.events.timesOf(e.Args["step"], e.Args["server"]); len(at) > 0 {
		return fmt.Sprintf("it happened %d times, first %v after the load began", len(at), at[0].Sub(r.begun))
	}
	return ""
}
