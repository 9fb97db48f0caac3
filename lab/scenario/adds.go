package scenario

import (
	"fmt"
	"slices"
	"strings"
)

// checkExpectation refuses what adds nothing to that which always has to hold, and what can never hold.
func (r *checker) checkExpectation(i int, e Expectation) {
	if j := slices.IndexFunc(r.s.Expect[:i], func(o Expectation) bool { return o.Text == e.Text }); j >= 0 {
		r.add(e.Line, "%s: line %d has it already", quote(e.Text), r.s.Expect[j].Line)
	}
	backups := r.backups()
	switch e.Kind {
	case "nothing lost", "longest":
		if len(r.s.Load) == 0 {
			r.add(e.Line, "%s: without `load` nothing is written, so it adds nothing", quote(e.Text))
		}
	case "one instant":
		switch {
		case len(backups) == 0:
			r.add(e.Line, "%s: the scenario takes no backup, so it adds nothing", quote(e.Text))
		case !slices.ContainsFunc(backups, func(label string) bool { return !r.hasToFail(label) }):
			r.add(e.Line, "%s: each backup of the scenario has to fail, so it adds nothing", quote(e.Text))
		}
	case "frozen", "leader changes":
		switch step := e.Args["step"]; {
		case len(backups) == 0:
			r.add(e.Line, "%s: the scenario takes no backup, so Plan is frozen for none", quote(e.Text))
		case afterTheThaw(step):
			r.add(e.Line, "%s: Plan is frozen no more when a backup reaches %q: want %q, or a step before it", quote(e.Text), step, thawed)
		}
	}
}

// creates says whether the scenario creates a collection, now or then: when its steps come may depend on the run.
func (r *checker) creates(collection string) bool {
	return slices.ContainsFunc(r.s.Do, func(s Step) bool {
		return slices.ContainsFunc(s.Actions, func(a Action) bool {
			return a.Verb == "create collection" && a.Args["collection"] == collection
		})
	})
}

// has says whether there is a collection in the run: that of a workload, or one that the scenario creates.
func (r *checker) has(collection string) bool {
	name := strings.TrimPrefix(collection, "lab-") // as in the cluster, with more words for the collections of schema
	return r.creates(collection) || slices.ContainsFunc(r.collections(), func(of string) bool {
		return name == of || strings.HasPrefix(name, of+"-")
	})
}

// collections are those of the workloads.
func (r *checker) collections() (names []string) {
	for _, l := range r.s.Load {
		names = append(names, l.Spec.Name)
	}
	return names
}

func (r *checker) noCollection(name string) string {
	return fmt.Sprintf("there is no collection %s: the load has %s%s", quote(name), orNone(r.collections()), didYouMean(name, r.collections()))
}

// backups are the labels of the backups that the scenario takes.
func (r *checker) backups() (labels []string) {
	for _, o := range r.operations {
		if o.Kind == "create" {
			labels = append(labels, o.Label)
		}
	}
	return labels
}

// hasToFail says whether the scenario expects that an operation fails.
func (r *checker) hasToFail(label string) bool {
	return slices.ContainsFunc(r.s.Expect, func(e Expectation) bool {
		return (e.Kind == "fails" || e.Kind == "none") && slices.Contains(r.s.Labels(e.Args["operations"]), label)
	})
}

// thawed is the step with which the freeze of Plan ends.
const thawed = "Plan thawed"

// afterTheThaw says whether a backup that nothing disturbs reaches a step after that with which the freeze of Plan ends.
func afterTheThaw(step string) bool {
	course := Course("create")
	return slices.Index(course, step) > slices.Index(course, thawed)
}
