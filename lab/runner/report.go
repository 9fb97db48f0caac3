package runner

import (
	"fmt"
	"strings"
	"time"

	"stasis/lab/verdict"
)

// Line is one line about a run: "violated  collide, world bubble, seed 7".
func (r Result) Line() string {
	v := r.Verdict
	line := fmt.Sprintf("%-8s  %s, world %s, seed %d", v.Outcome, r.Job.Scenario, r.Job.World, r.Job.Seed)
	switch {
	case r.Job.Unlocked():
		line += ", without locks"
	case r.Job.LockMode != "":
		line += ", lock mode " + string(r.Job.LockMode)
	}
	return line
}

// Details are lines about what is wrong with a run, how to repeat it, and where what it left is.
func (r Result) Details() []string {
	lines := r.wrong()
	if r.bad() {
		lines = append(lines, "again: "+r.Repeat)
	}
	if r.Folder != "" {
		lines = append(lines, "kept in "+r.Folder)
	}
	return lines
}

func (r Result) wrong() []string {
	var lines []string
	if r.Verdict.Reason != "" {
		lines = append(lines, r.Verdict.Reason)
	}
	for _, x := range r.Verdict.Violations {
		lines = append(lines, violation(r.Job, x))
	}
	return lines
}

// Report is all that is known of a run, for people.
func (r Result) Report() string {
	v := r.Verdict
	lines := []string{r.Line()}
	for _, l := range r.wrong() {
		lines = append(lines, "  "+l)
	}
	for _, f := range v.Faults {
		lines = append(lines, "  fault, "+fault(f))
	}
	for _, b := range v.Backups {
		lines = append(lines, "  backup "+backup(b))
	}
	if v.Virtual == 0 && v.Outcome == verdict.Broken { // its process has said nothing
		lines = append(lines, fmt.Sprintf("  how many operations there were is not known; %v on this machine's clock (%v of a processor)", v.Real.Round(time.Millisecond), r.CPU.Round(time.Millisecond)))
	} else {
		lines = append(lines, r.numbers())
	}
	for _, n := range v.Notes {
		lines = append(lines, "  note: "+n)
	}
	lines = append(lines, "  again: "+r.Repeat)
	if r.Folder != "" {
		lines = append(lines, "  kept in "+r.Folder)
	}
	return strings.Join(lines, "\n")
}

// numbers is a line about how much there was in a run.
func (r Result) numbers() string {
	v := r.Verdict
	return fmt.Sprintf("  %d operations, %d of them straddle a backup, %d its gates; %v on the run's clock, %v on this machine's (%v of a processor); trace %s",
		v.Operations, v.Straddling, v.AtCuts, v.Virtual.Round(time.Millisecond), v.Real.Round(time.Millisecond), r.CPU.Round(time.Millisecond), v.Trace)
}

func fault(f verdict.Fault) string {
	text := fmt.Sprintf("line %d: %s: injected %s, met %s", f.Line, f.Text, times(f.Injected), times(f.Met))
	if f.Aimed != "" {
		text += fmt.Sprintf("; at %q %s", f.Aimed, times(f.Overlaps))
	}
	return text
}

func times(n int) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	default:
		return fmt.Sprint(n, " times")
	}
}

func backup(b verdict.Backup) string {
	if b.ID == "" {
		return fmt.Sprintf("%s: failed: %s", b.Label, b.Error)
	}
	judged := "not judged"
	if b.Checked {
		judged = "judged"
	}
	text := fmt.Sprintf("%s: %s, attempts %d, window %v", b.Label, judged, b.Attempts, short(b.Window))
	for _, m := range []struct {
		name, measure string
		is            any
	}{
		{"hold", verdict.MeasureHold, short(b.Hold)}, {"dead time", verdict.MeasureDeadTime, short(b.DeadTime)}, {"cut skew", verdict.MeasureCutSkew, short(b.CutSkew)},
		{"slack", verdict.MeasureSlack, short(b.Slack)}, {"straddling writes", verdict.MeasureStraddles, b.Straddles}, {"RPO", verdict.MeasureRPO, short(b.RPO)}, {"RTO", verdict.MeasureRTO, short(b.RTO)},
	} {
		if !b.Knows(m.measure) {
			m.is = "unknown"
		}
		text += fmt.Sprintf(", %s %v", m.name, m.is)
	}
	for _, u := range b.Unknown {
		text += "\n    unknown: " + u
	}
	return text
}

func violation(j Job, x verdict.Violation) string {
	text := x.Check + ": " + x.Text
	if x.Line > 0 {
		text = fmt.Sprintf("%s:%d: %s", j.Scenario, x.Line, text)
	}
	if x.At > 0 {
		text += fmt.Sprintf(" (at %v)", x.At.Round(time.Millisecond))
	}
	return text
}

func short(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
