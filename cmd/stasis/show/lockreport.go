package show

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"stasis/client"
	"stasis/client/certificate"
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
	if r.LockHoldSeconds > 0 {
		lines = append(lines, fmt.Sprintf("lock hold: all gates were held together for %.2f ms, the longest single one for %.2f ms (cut %.2f ms)", r.LockHoldSeconds*1000, r.GateHoldSeconds*1000, r.CutSeconds*1000))
	} else {
		lines = append(lines, fmt.Sprintf("lock hold: the gates were never held together, the longest single one for %.2f ms", r.GateHoldSeconds*1000))
	}
	if r.SkewSeconds > 0 || r.SlackSeconds > 0 {
		lines = append(lines, fmt.Sprintf("cuts: %.2f ms between the first and the last, %.2f ms slack", r.SkewSeconds*1000, r.SlackSeconds*1000))
	}
	lines = append(lines, fmt.Sprintf("dead time: %d writes waited, the longest %.2f ms, together %.2f ms", r.WritersWaited, r.DeadLongestSeconds*1000, r.DeadSumSeconds*1000))
	if len(r.DeadUnknown) > 0 {
		lines = append(lines, fmt.Sprintf("dead time: UNKNOWN at %s, which did not tell; the figures are without that", strings.Join(r.DeadUnknown, ", ")))
	}
	return append(append(lines, deadTimes(r)...), aborted(r)...)
}

// aborted says which open transactions a backup with force has aborted.
func aborted(r client.LockReport) []string {
	var lines []string
	for _, t := range r.Aborted() {
		lines = append(lines, fmt.Sprintf("aborted: transaction %s of coordinator %s, which had been open for %.1f s, at %s", t.ID, t.Coordinator, t.AgeSeconds, strings.Join(t.Servers, ", ")))
	}
	unknown := map[string]bool{}
	for _, a := range r.Attempts {
		for _, server := range a.AbortsUnknown {
			unknown[server] = true
		}
	}
	if len(unknown) > 0 {
		lines = append(lines, "aborted: UNKNOWN whether other transactions were at "+strings.Join(slices.Sorted(maps.Keys(unknown)), ", ")+", of which an answer was lost")
	}
	return lines
}

// deadTimes says for each server at which writers waited how long, over all attempts.
func deadTimes(r client.LockReport) []string {
	all := map[string]certificate.DeadTime{}
	for _, a := range r.Attempts {
		for id, s := range a.Servers {
			if d := s.Dead; d != nil && d.Writers > 0 {
				sum := all[id]
				all[id] = certificate.DeadTime{
					Writers: sum.Writers + d.Writers, SumSeconds: sum.SumSeconds + d.SumSeconds,
					LongestSeconds: max(sum.LongestSeconds, d.LongestSeconds), P99Seconds: max(sum.P99Seconds, d.P99Seconds),
				}
			}
		}
	}
	var lines []string
	for _, id := range slices.Sorted(maps.Keys(all)) {
		d := all[id]
		lines = append(lines, fmt.Sprintf("dead time at %s: %d writes waited, the longest %.2f ms, 99 of 100 at most %.2f ms, together %.2f ms",
			id, d.Writers, d.LongestSeconds*1000, d.P99Seconds*1000, d.SumSeconds*1000))
	}
	return lines
}
