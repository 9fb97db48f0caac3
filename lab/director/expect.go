package director

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"stasis/client"
	"stasis/event"
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

// expect judges what the scenario expects.
func (r *run) expect() {
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

func (r *run) oneInstant(scenario.Expectation) string {
	if r.result.judged == 0 {
		return "no backup of the run could be judged"
	}
	return "" // what is wrong with one is a violation of its own
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

// structural are the steps by which Plan gets another leader, replica or server.
var structural = []event.Name{"leader changed", "follower added", "follower removed", "follower replaced"}

// freeze is a part of the events: from the agency lock of an operation to a step. The step's own change may be seen
// by the supervision before the operation hears of it, so the part ends with the event before the step.
type freeze struct {
	from, to int // indexes of the events
	reached  time.Time
	id       string
	ended    bool // the step was reached
}

// freezes are those of all creates of the run.
func freezes(all []event.Event, step string) []freeze {
	open := map[string]*freeze{}
	var list []*freeze
	for i, e := range all {
		if e.Operation != "create" {
			continue
		}
		f := open[e.ID]
		switch {
		case e.Step == "agency lock acquired":
			f = &freeze{from: i, to: i, id: e.ID}
			open[e.ID] = f
			list = append(list, f)
		case f != nil && string(e.Step) == step && !f.ended:
			f.ended, f.reached = true, e.At
		case f != nil && !f.ended && e.Emitter == all[f.from].Emitter:
			f.to = i
		}
	}
	var done []freeze
	for _, f := range list {
		done = append(done, *f)
	}
	return done
}

func (r *run) frozen(e scenario.Expectation) string {
	all := r.events.list()
	parts := freezes(all, e.Args["step"])
	ended := false
	for _, f := range parts {
		ended = ended || f.ended
		for _, one := range all[f.from:f.to] {
			if slices.Contains(structural, one.Step) {
				return fmt.Sprintf("%v after %s had the agency lock: %s", one.At.Sub(all[f.from].At), f.id, one)
			}
		}
	}
	if !ended {
		return fmt.Sprintf("no operation that had the agency lock reached %q", e.Args["step"])
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
