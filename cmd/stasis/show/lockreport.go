package show

import (
	"fmt"
	"maps"
	"slices"

	"stasis/client"
)

// LockReport says in words what it took to hold all gates together, and what that cost
// writers, a line each.
func LockReport(r client.LockReport) []string {
	var lines []string
	for i, a := range r.Attempts {
		line := fmt.Sprintf("attempt %d: window %.0f ms, took %.1f ms, last %s", i+1, a.WindowSeconds*1000, a.ElapsedSeconds*1000, a.LastServer)
		for _, server := range slices.Sorted(maps.Keys(a.Failed)) {
			line += fmt.Sprintf("; %s: %s", server, a.Failed[server])
		}
		lines = append(lines, line)
	}
	if len(r.Attempts) == 0 {
		return []string{"no gate was closed"}
	}
	return append(lines,
		fmt.Sprintf("lock hold: all gates were held together for %.2f ms, the longest single one for %.2f ms (cut %.2f ms)", r.LockHoldSeconds*1000, r.GateHoldSeconds*1000, r.CutSeconds*1000),
		fmt.Sprintf("dead time: %d writes waited, the longest %.2f ms, together %.2f ms", r.WritersWaited, r.DeadLongestSeconds*1000, r.DeadSumSeconds*1000))
}
