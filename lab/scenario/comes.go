package scenario

import "slices"

// checkMoments refuses steps whose moment cannot come: the operations that they wait for begin only with them, or after
// them.
func (r *checker) checkMoments() {
	begun := map[string]bool{}
	waits := slices.Clone(r.s.Do)
	for left := len(waits) + 1; len(waits) < left; {
		left = len(waits)
		waits = slices.DeleteFunc(waits, func(s Step) bool {
			if !comes(s.When, begun) {
				return false
			}
			for _, a := range s.Actions {
				if o, ok := OperationOf(a); ok {
					begun[o.Label] = true
				}
			}
			return true
		})
	}
	for _, s := range waits {
		r.add(s.Line, "%s: this moment never comes: the operation that it waits for is begun only then, or later", quote(s.When.Text))
	}
}

// comes says whether a moment can come once these operations have begun.
func comes(w When, begun map[string]bool) bool {
	has := func(label string) bool { return begun[label] }
	if m := w.Event; m != nil && len(m.Operations) > 0 && !slices.ContainsFunc(m.Operations, has) {
		return false
	}
	return !slices.ContainsFunc(w.After, func(label string) bool { return !has(label) })
}

// checkRelease refuses the release of what nothing holds.
func (r *checker) checkRelease(a Action) {
	var held []string
	for _, s := range r.s.Do {
		for _, b := range s.Actions {
			if b.Verb == "hold" {
				held = append(held, r.s.Labels(b.Args["operations"])...)
			}
		}
	}
	for _, label := range r.s.Labels(a.Args["operations"]) {
		if !slices.Contains(held, label) {
			r.add(a.Line, "%s: nothing holds %s: want `hold %s at \"…\"` before", quote(a.Text), label, label)
		}
	}
}
