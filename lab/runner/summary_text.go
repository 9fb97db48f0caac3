package runner

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Write writes the summary for people.
func (s Summary) Write(w io.Writer) error {
	var b strings.Builder
	s.writeCounts(&b)
	s.writeFaults(&b)
	s.writeBackups(&b)
	s.writePower(&b)
	for _, y := range s.Why {
		fmt.Fprintf(&b, "vacuous, %d of %s: %s\n", y.Runs, y.Scenario, y.Reason)
	}
	if s.Repeats.Runs > 0 {
		fmt.Fprintf(&b, "made again with the same seed: %d of %d runs had the trace of the first\n", s.Repeats.Same, s.Repeats.Runs)
	}
	fmt.Fprintf(&b, "%d operations, %d of them straddle a backup; %.1f s (%.1f s of processors), %.0f runs a minute, %.0f virtual seconds a second (%.0f of one run)\n",
		s.Operations, s.Straddling, s.Speed.Elapsed.Seconds(), s.Speed.CPU.Seconds(), s.Speed.RunsPerMinute, s.Speed.VirtualPerReal, s.Speed.VirtualPerChild)
	_, err := io.WriteString(w, b.String())
	return err
}

func (s Summary) writeCounts(b *strings.Builder) {
	fmt.Fprintf(b, "%d runs: %d passed, %d vacuous, %d violated, %d broken", s.Runs, s.Passed, s.Vacuous, s.Violated, s.Broken)
	if s.Unlocked > 0 {
		fmt.Fprintf(b, ", %d without locks", s.Unlocked)
	}
	fmt.Fprintf(b, "; %s\n", counted(s.Traces, "different trace"))
	if len(s.Of) < 2 {
		return
	}
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SCENARIO\tRUNS\tPASSED\tVACUOUS\tVIOLATED\tBROKEN\tSTRADDLING")
	for _, c := range s.Of {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\n", c.Scenario, c.Runs, c.Passed, c.Vacuous, c.Violated, c.Broken, c.Straddling)
	}
	_ = table.Flush() // to memory: it cannot fail
}

// counted is a number of things in words.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func (s Summary) writePower(b *strings.Builder) {
	for _, p := range s.Power {
		fmt.Fprintf(b, "without locks, %s: violations in %d of %d runs, so in %.0f %% to %.0f %% with a confidence of 95 %%",
			p.Scenario, p.Found, p.Of, 100*p.Low, 100*p.High)
		if p.Over > 0 {
			fmt.Fprintf(b, "; that it is over %.0f %% is %s", 100*p.Over, p.Shows())
		}
		b.WriteByte('\n')
	}
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
	fmt.Fprintf(b, "%d backups, %d of them read and judged, %d failed; at most %s\n", x.Taken, x.Checked, x.Failed, counted(x.Attempts, "attempt"))
	for _, m := range []struct {
		name string
		of   Spread
	}{{"dead time", x.DeadTime}, {"hold", x.Hold}, {"cut skew", x.CutSkew}, {"RPO", x.RPO}, {"RTO", x.RTO}} {
		if m.of.Max > 0 {
			fmt.Fprintf(b, "  %-10s p50 %-10v max %v\n", m.name, short(m.of.P50), short(m.of.Max))
		}
	}
}
