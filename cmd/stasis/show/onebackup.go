package show

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"stasis/client"
	"stasis/client/certificate"
)

// Backup prints what is known of one backup: its facts, and the attempts to hold all gates as a time
// line.
func Backup(out io.Writer, res client.ShowResult, names Names, chart Chart) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	b := res.Backup
	line("backup\t%s", b.ID)
	line("made\t%s by version %s", orNone(b.DateTime), orNone(b.Version))
	line("size\t%s in %d files", Bytes(b.SizeInBytes), b.NrFiles)
	line("pieces\t%d of %d%s", b.NrPiecesPresent, b.NrDBServers, missingText(b, names))
	line("instant\t%s", instantText(res))
	if c := res.Certificate; c != nil {
		line("lock mode\t%s", c.Instant.Mode())
		line("coordinator\t%s", names.Both(c.Coordinator))
		line("Plan\tof agency index %d in term %d, restore epoch %d", c.Agency.Index, c.Agency.Term, c.Agency.Epoch)
		line("shards\t%d, with a statement of the leader for each", len(c.Shards))
		line("steps\t%s", stepsText(c.History.Steps))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, problem := range res.Problems {
		fmt.Fprintf(out, "PROBLEM: %s\n", names.within(problem))
	}
	if len(res.Unreachable) > 0 {
		fmt.Fprintf(out, "did not answer: %s\n", names.within(strings.Join(res.Unreachable, ", ")))
	}
	if res.Certificate == nil {
		return nil
	}
	lines := LockReport(res.Certificate.History.Lock)
	lines = append([]string{""}, lines[len(res.Certificate.History.Lock.Attempts):]...) // the attempts themselves are drawn
	if drawn := chart.attempts(res.Certificate, names); len(drawn) > 0 {
		lines = append(append(lines, ""), drawn...)
	}
	for _, text := range lines {
		fmt.Fprintln(out, names.within(text))
	}
	return nil
}

// missingText says which pieces are not there, and whether the backup can be restored.
func missingText(b client.ListedBackup, names Names) string {
	switch {
	case len(b.Missing) > 0:
		return "; missing: " + names.within(strings.Join(b.Missing, ", "))
	case b.Available:
		return ", it can be restored"
	}
	return ""
}

// instantText says whether the backup is one instant, by its certificate.
func instantText(res client.ShowResult) string {
	c := res.Certificate
	switch {
	case c == nil && res.Backup.Kind == certificate.Failsafe:
		return "the state that a restore set aside; it has no certificate"
	case c == nil || len(res.Problems) > 0:
		return "NOT PROVEN"
	case c.PotentiallyInconsistent:
		return "potentially inconsistent: it was taken without the global lock"
	}
	return fmt.Sprintf("one: all gates were held from %.2f to %.2f ms after the create began (data not read again; verify does)", c.Instant.From*1000, c.Instant.To*1000)
}

func stepsText(all []certificate.StepDuration) string {
	parts := make([]string, len(all))
	for i, s := range all {
		parts[i] = fmt.Sprintf("%s %.1f ms", s.Step, s.Seconds*1000)
	}
	return strings.Join(parts, ", ")
}
