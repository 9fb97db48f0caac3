package show

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"stasis/client"
)

// Status prints a cluster and its backups on one page.
func Status(out io.Writer, s client.Status, list client.ListResult) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	line("cluster\t%s", s.ClusterID)
	line("Plan version\t%d", s.PlanVersion)
	line("restore epoch\t%d", s.Epoch)
	line("shards\t%s", shardsText(s.Shards))
	line("agency lock\t%s", lockText(s.Lock))
	line("authentication\t%s: every client that reaches a port is an administrator", cmp.Or(s.Authentication, client.AuthenticationOff))
	line("")
	line("AGENTS\tENDPOINT\tSTATUS")
	for _, id := range slices.Sorted(maps.Keys(s.Agents)) {
		a := s.Agents[id]
		state := "does not answer"
		switch {
		case a.Leading:
			state = "leader"
		case a.Good:
			state = "follower"
		case a.Note != "":
			state = "does not serve: " + a.Note
		}
		if a.Alarm != "" {
			state += "; ALARM: " + a.Alarm
		}
		line("%s\t%s\t%s", id, a.Endpoint, state)
	}
	line("\nDB SERVERS\tNAME\tENDPOINT\tSTATUS\tLEADS\tREPLICAS\tEPOCH\t")
	for _, id := range slices.Sorted(maps.Keys(s.DBServers)) {
		d := s.DBServers[id]
		line("%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s", id, d.Name, d.Endpoint, d.Status, d.Shards, d.Replicas, d.Epoch, remark(s.DBServers, id))
	}
	line("\nCOORDINATORS\tNAME\tENDPOINT\tSTATUS")
	for _, id := range slices.Sorted(maps.Keys(s.Coordinators)) {
		c := s.Coordinators[id]
		line("%s\t%s\t%s\t%s", id, c.Name, c.Endpoint, c.Status)
	}
	if len(list.List) == 0 {
		line("\nBACKUPS\nnone")
		return w.Flush()
	}
	line("\nBACKUPS\tMB\tPIECES\t")
	for _, id := range slices.Sorted(maps.Keys(list.List)) {
		b := list.List[id]
		note := ""
		if b.PotentiallyInconsistent {
			note = "potentially inconsistent"
		}
		if !b.Available {
			note += " not available"
		}
		line("%s\t%.1f\t%d/%d\t%s", id, float64(b.SizeInBytes)/1e6, b.NrPiecesPresent, b.NrDBServers, note)
	}
	return w.Flush()
}

// remark is what an operator must know of a DB server besides.
func remark(all map[string]client.Server, id string) string {
	if disk := all[id].Disk; disk != "" {
		return "its disk " + disk
	}
	return sharesAddress(all, id)
}

// lockText says who holds the agency lock, for how long, and what it stops.
func lockText(l *client.Lock) string {
	if l == nil {
		return "free"
	}
	text := fmt.Sprintf("held for %s %s by %s since %s", l.Operation, l.ID, l.Coordinator, l.Since)
	if l.HeldSeconds > 0 {
		text += fmt.Sprintf(" (%v)", time.Duration(l.HeldSeconds*float64(time.Second)).Round(time.Second))
	}
	if l.Phase != "" {
		text += ", " + l.Phase
	}
	if l.PlanFrozen {
		return text + ": Plan is frozen"
	}
	return text + ": Plan is not frozen any more"
}

// sharesAddress says that two DB servers are registered at one address: one of them is
// not there any more.
func sharesAddress(all map[string]client.Server, id string) string {
	for _, other := range slices.Sorted(maps.Keys(all)) {
		if other != id && all[other].Endpoint != "" && all[other].Endpoint == all[id].Endpoint {
			return "same address as " + cmp.Or(all[other].Name, other) + ": one of them has lost its directory; stasis cluster remove"
		}
	}
	return ""
}

// shardsText says how many shards there are, and what is wrong with how many.
func shardsText(n client.ShardCounts) string {
	text := fmt.Sprint(n.All)
	for _, part := range []struct {
		n    int
		what string
	}{{n.Leaderless, "without a leader that serves"}, {n.ReadOnly, "read only: fewer in sync than the write concern"}, {n.Lacking, "with replicas that are missing or catch up"}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	return text
}
