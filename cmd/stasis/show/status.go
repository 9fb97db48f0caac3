package show

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
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
	line("AGENTS\tID\tPID\tENDPOINT\tSTATUS\tDIRECTORY")
	for _, id := range byName(s.Agents, func(a client.Agent) string { return a.ServerName }) {
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
		line("%s\t%s\t%s\t%s\t%s\t%s", orNone(a.ServerName), id, pidText(a.PID), a.Endpoint, state, orNone(a.Dir))
	}
	line("\nDB SERVERS\tID\tSHORT NAME\tPID\tENDPOINT\tSTATUS\tLEADS\tREPLICAS\tEPOCH\tDIRECTORY\t")
	for _, id := range byName(s.DBServers, serverName) {
		d := s.DBServers[id]
		line("%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s", orNone(d.ServerName), id, orNone(d.Name), pidText(d.PID), d.Endpoint, d.Status, d.Shards, d.Replicas, d.Epoch,
			orNone(d.Dir), remark(s.DBServers, id))
	}
	line("\nCOORDINATORS\tID\tSHORT NAME\tPID\tENDPOINT\tSTATUS\tDIRECTORY")
	for _, id := range byName(s.Coordinators, serverName) {
		c := s.Coordinators[id]
		line("%s\t%s\t%s\t%s\t%s\t%s\t%s", orNone(c.ServerName), id, orNone(c.Name), pidText(c.PID), c.Endpoint, c.Status, orNone(c.Dir))
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

func serverName(s client.Server) string { return s.ServerName }

// byName are the ids of servers in the order of their names.
func byName[S any](all map[string]S, name func(S) string) []string {
	return slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		return cmp.Or(strings.Compare(name(all[a]), name(all[b])), strings.Compare(a, b))
	})
}

// orNone is a text in a table, which has no empty cells.
func orNone(text string) string { return cmp.Or(text, "-") }

func pidText(pid int) string {
	if pid == 0 {
		return "-"
	}
	return strconv.Itoa(pid)
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
			return "same address as " + cmp.Or(all[other].ServerName, all[other].Name, other) + ": one of them has lost its directory; stasis cluster remove"
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
