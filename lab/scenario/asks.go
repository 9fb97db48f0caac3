package scenario

import "slices"

// place is where an action of a scenario is.
type place struct {
	step *Step
	at   int // index of the action in its step
}

// first says whether nothing is done in the step before the action.
func (p place) first() bool { return p.at == 0 && (!p.step.When.Mixed || len(p.step.Actions) == 1) }

// checkAsked refuses operations on backups that cannot be there when they are begun: they could not be asked for. What depends on how
// long something takes shows in the run.
func (r *checker) checkAsked() {
	taken := map[string]place{}
	for i := range r.s.Do {
		for j, a := range r.s.Do[i].Actions {
			if o, ok := OperationOf(a); ok && o.Kind == "create" {
				taken[o.Backup] = place{&r.s.Do[i], j}
			}
		}
	}
	for i := range r.s.Do {
		for j, a := range r.s.Do[i].Actions {
			o, ok := OperationOf(a)
			create, known := taken[o.Backup]
			if !ok || o.Kind == "create" || !known {
				continue
			}
			if tooEarly(create, place{&r.s.Do[i], j}) {
				r.add(a.Line, "%s: the backup %s has not ended by then: want `after %s: %s`", quote(a.Text), quote(o.Backup), labelOfBackup(create), a.Text)
			}
		}
	}
}

// tooEarly says whether an operation begins before the backup that it needs can have ended.
func tooEarly(create, use place) bool {
	w, c := use.step.When, create.step.When
	switch {
	case use.step == create.step:
		return w.Mixed && !waits(use.step.Actions) || !w.Mixed && (use.at < create.at || !waits(use.step.Actions[create.at:use.at]))
	case !use.first():
		return false // what comes before it may take any time
	case w.Event != nil:
		return len(w.Event.Operations) == 1 && w.Event.Operations[0] == labelOfBackup(create) // it is held there
	case w.At != nil && c.At != nil:
		return *w.At <= *c.At
	}
	return false
}

// waits says whether something among actions may take so long that a backup ends meanwhile.
func waits(all []Action) bool {
	return slices.ContainsFunc(all, func(a Action) bool { _, begins := OperationOf(a); return !begins })
}

// labelOfBackup is the label of the operation that takes a backup.
func labelOfBackup(p place) string {
	o, _ := OperationOf(p.step.Actions[p.at]) // it is one
	return o.Label
}
