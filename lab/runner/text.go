package runner

import (
	"fmt"
	"io"
	"strings"
	"time"

	"stasis/lab/verdict"
)

// Line is one line about a run: "violated  collide bubble 7: one instant: …".
func (r Result) Line() string {
	v := r.Verdict
	line := fmt.Sprintf("%-8s  %s, world %s, seed %d", v.Outcome, r.Job.Scenario, r.Job.World, r.Job.Seed)
	if r.Job.WithoutLocks {
		line += ", without locks"
	}
	return line
}

// Details are lines about what is wrong with a run, how to repeat it, and where what it left is.
func (r Result) Details() []string {
	var lines []string
	if r.Verdict.Reason != "" {
		lines = append(lines, r.Verdict.Reason)
	}
	for _, x := range r.Verdict.Violations {
		lines = append(lines, violation(r.Job, x))
	}
	if r.bad() {
		lines = append(lines, "again: "+r.Repeat)
	}
	if r.Folder != "" {
		lines = append(lines, "kept in "+r.Folder)
	}
	return lines
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

// Write writes the summary for people.
func (s Summary) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d runs: %d passed, %d vacuous, %d violated, %d broken; %d kinds of outcome, %d different traces\n",
		s.Runs, s.Passed, s.Vacuous, s.Violated, s.Broken, s.Outcomes, s.Traces)
	s.writeFaults(&b)
	s.writeBackups(&b)
	for _, p := range s.Power {
		fmt.Fprintf(&b, "without locks, %s: violations found in %d of %d runs (%.0f %% to %.0f %%, with a confidence of 95 %%)\n",
			p.Scenario, p.Found, p.Of, 100*p.Low, 100*p.High)
	}
	for _, y := range s.Why {
		fmt.Fprintf(&b, "vacuous, %d of %s: %s\n", y.Runs, y.Scenario, y.Reason)
	}
	fmt.Fprintf(&b, "%d operations, %d of them straddle a cut; %.1f s, %.0f runs a minute, %.0f virtual seconds a second (%.0f of one run)\n",
		s.Operations, s.Straddling, s.Elapsed.Seconds(), s.RunsPerMinute, s.VirtualPerReal, s.VirtualPerChild)
	_, err := io.WriteString(w, b.String())
	return err
}

func (s Summary) writeFaults(b *strings.Builder) {
	for _, f := range s.Faults {
		fmt.Fprintf(b, "fault, %s: %s: injected in %d of %d runs, met in %d", f.Scenario, f.Text, f.Injected, f.Runs, f.Met)
		if f.Aimed {
			fmt.Fprintf(b, ", at its step in %d", f.Overlaps)
		}
		b.WriteByte('\n')
	}
}

func (s Summary) writeBackups(b *strings.Builder) {
	if s.Backups.Taken+s.Backups.Failed == 0 {
		return
	}
	x := s.Backups
	fmt.Fprintf(b, "%d backups, %d of them read and judged, %d failed; at most %d attempts\n", x.Taken, x.Checked, x.Failed, x.Attempts)
	for _, m := range []struct {
		name string
		of   Spread
	}{{"dead time", x.DeadTime}, {"hold", x.Hold}, {"cut skew", x.CutSkew}, {"RPO", x.RPO}, {"RTO", x.RTO}} {
		if m.of.Max > 0 {
			fmt.Fprintf(b, "  %-10s p50 %-10v max %v\n", m.name, short(m.of.P50), short(m.of.Max))
		}
	}
}

func short(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
