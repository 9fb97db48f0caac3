package show

import (
	"fmt"
	"strings"

	"stasis/client"
)

// Job is a job in a line.
func Job(j client.Job, n Names) string {
	var b strings.Builder
	fmt.Fprintf(&b, "job %s %s", j.ID, j.Type)
	if j.Shard != "" {
		b.WriteString(" " + j.Shard)
	}
	if j.Server != "" {
		b.WriteString(" " + n.Of(j.Server))
	}
	if j.FromServer != "" {
		b.WriteString(" from " + n.Of(j.FromServer))
	}
	if j.ToServer != "" {
		b.WriteString(" to " + n.Of(j.ToServer))
	}
	b.WriteString(": " + map[string]string{
		client.JobToDo: "to do", client.JobPending: "running", client.JobFinished: "done", client.JobFailed: "failed",
	}[j.Status])
	if j.Abort && !j.Over() {
		b.WriteString(", being cancelled")
	}
	if j.Reason != "" {
		b.WriteString(": " + n.within(j.Reason))
	}
	return b.String()
}

// Decision is a decision of the supervision in a line.
func Decision(e client.Decision, n Names) string {
	parts := []string{e.Time, e.Step}
	if e.Job != "" {
		parts = append(parts, "job "+e.Job)
	}
	for _, part := range []string{e.Database, e.Shard, n.Of(e.Server)} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	line := strings.Join(parts, "  ")
	if e.Detail != "" {
		line += ": " + n.within(e.Detail)
	}
	return line
}
