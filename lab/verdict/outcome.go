package verdict

import (
	"slices"
	"strings"
)

// The names of the checks that fail if a backup is torn: if it is not the state of one instant.
const (
	CheckInstant  = "one instant"
	CheckReplicas = "replicas"
)

// Torn says whether a backup of the run was found to be torn.
func (v Verdict) Torn() bool {
	return slices.ContainsFunc(v.Violations, func(x Violation) bool { return x.Check == CheckInstant || x.Check == CheckReplicas })
}

// notWhole begins the reason of a run that is Violated and Broken.
const notWhole = "besides, the run could not be made to its end: "

// Violate adds violations: the run is Violated. Why it could not be made to its end stays.
func (v *Verdict) Violate(found ...Violation) {
	if len(found) == 0 {
		return
	}
	v.Violations = append(v.Violations, found...)
	switch v.Outcome {
	case Violated:
	case Broken:
		v.Outcome, v.Reason = Violated, notWhole+v.Reason
	case Vacuous:
		v.Notes = append(v.Notes, v.Reason)
		v.Outcome, v.Reason = Violated, ""
	default:
		v.Outcome, v.Reason = Violated, ""
	}
}

// Break says that the run could not be made, or not to its end. What was violated before stays so.
func (v *Verdict) Break(reason string) {
	switch {
	case v.Outcome == Violated && v.Reason == "":
		v.Reason = notWhole + reason
	case v.Outcome == Violated, v.Outcome == Broken:
		v.Reason += "; " + reason
	default:
		if v.Outcome == Vacuous {
			v.Notes = append(v.Notes, v.Reason)
		}
		v.Outcome, v.Reason = Broken, reason
	}
}

// Miss says why the run shows nothing. Of a run that is Violated or Broken it is a note.
func (v *Verdict) Miss(reasons ...string) {
	if len(reasons) == 0 {
		return
	}
	switch v.Outcome {
	case Violated, Broken:
		v.Notes = append(v.Notes, reasons...)
	case Vacuous:
		v.Reason += "; " + strings.Join(reasons, "; ")
	default:
		v.Outcome, v.Reason = Vacuous, strings.Join(reasons, "; ")
	}
}
