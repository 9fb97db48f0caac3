package show

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"stasis/client/certificate"
)

// Chart says how bars are drawn.
type Chart struct {
	Width int // of a line, in columns
	ASCII bool
}

// What a gate does at a moment.
const (
	before  = iota // it was not asked for, or is open again
	waiting        // it is asked for: writers queue, and those inside leave
	granted        // it is held
	cut            // it is held, and the server has been asked for its cut
	phases
)

// marks of the phases.
func (c Chart) marks() [phases]rune {
	if c.ASCII {
		return [phases]rune{' ', '.', '=', '#'}
	}
	return [phases]rune{' ', '░', '▒', '█'}
}

// legend says what the marks mean.
func (c Chart) legend() string {
	m := c.marks()
	return fmt.Sprintf("%c waiting   %c gate held   %c cut   then the gate is open", m[waiting], m[granted], m[cut])
}

// span is a phase from one moment to another.
type span struct {
	phase    int
	from, to float64
}

// spans are the phases of a server's gate in an attempt that ended at end. A later one is drawn over
// an earlier one.
func spans(s certificate.GateAttempt, end float64) []span {
	all := []span{{waiting, s.Asked, s.Answered}}
	if !s.Granted {
		return all
	}
	until := end
	switch {
	case s.Opened > 0:
		until = s.Opened
	case s.Released > 0:
		until = s.Released
	}
	all = append(all, span{granted, s.Answered, until})
	if s.CutDone > 0 {
		all = append(all, span{cut, s.CutAsked, s.CutDone})
	}
	return all
}

// bar draws phases between two moments. Each phase has a column at least, however short it was.
func (c Chart) bar(all []span, from, to float64, columns int) string {
	drawn := make([]int, columns)
	step := (to - from) / float64(columns)
	for i := range drawn {
		middle := from + (float64(i)+0.5)*step
		for _, s := range all {
			if s.from <= middle && middle < s.to {
				drawn[i] = s.phase
			}
		}
	}
	for i, s := range all {
		if !slices.Contains(drawn, s.phase) && step > 0 {
			column := min(int((s.from-from)/step), columns-1)
			if i > 0 && column < columns-1 && drawn[column] == all[i-1].phase && !more(drawn, all[i-1].phase) {
				column++ // the phase before it keeps its only column
			}
			drawn[max(column, 0)] = s.phase
		}
	}
	var b strings.Builder
	for _, phase := range drawn {
		b.WriteRune(c.marks()[phase])
	}
	return b.String()
}

// more says whether a phase has more than one column.
func more(drawn []int, phase int) bool {
	n := 0
	for _, p := range drawn {
		if p == phase {
			n++
		}
	}
	return n > 1
}

// leastBar is the shortest bar that is drawn, in columns.
const leastBar = 10

// attempt draws one attempt: a row for each server, and the time below.
func (c Chart) attempt(a certificate.Attempt, names Names) []string {
	end := a.AskedSeconds + a.ElapsedSeconds
	label, text := 0, 0
	texts := map[string]string{}
	for id, s := range a.Servers {
		end = max(end, s.Answered, s.CutDone, s.Opened)
		texts[id] = deadText(s.Dead)
		label, text = max(label, utf8.RuneCountInString(names.Of(id))), max(text, utf8.RuneCountInString(texts[id]))
	}
	columns := max(c.Width-label-text-6, leastBar)
	var lines []string
	for _, id := range slices.SortedFunc(maps.Keys(a.Servers), func(x, y string) int { return strings.Compare(names.Of(x)+x, names.Of(y)+y) }) {
		bar := c.bar(spans(a.Servers[id], end), a.AskedSeconds, end, columns)
		lines = append(lines, fmt.Sprintf("  %s |%s| %s", pad(names.Of(id), label), bar, texts[id]))
	}
	zero, last := "0", fmt.Sprintf("%.1f ms", (end-a.AskedSeconds)*1000)
	return append(lines, fmt.Sprintf("  %s  %s%s%s", pad("", label), zero, strings.Repeat(" ", max(columns-len(zero)-len(last), 1)), last))
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(width-utf8.RuneCountInString(text), 0))
}

// deadText says how long writers waited at a gate in one attempt.
func deadText(d *certificate.DeadTime) string {
	switch {
	case d == nil:
		return "dead time unknown"
	case d.Writers == 0:
		return "no dead time"
	}
	return fmt.Sprintf("%d waited, <= %.1f ms", d.Writers, d.LongestSeconds*1000)
}

// attempts draws the attempts of a create as a time line. Certificates of earlier versions have only
// the last one.
func (c Chart) attempts(cert *certificate.Certificate, names Names) []string {
	var lines []string
	all := cert.History.Lock.Attempts
	for i, a := range all {
		if len(a.Servers) == 0 && i == len(all)-1 {
			a = certified(a, cert.Servers)
		}
		lines = append(lines, fmt.Sprintf("attempt %d of %d: window %.0f ms, began %.1f ms after the create", i+1, len(all), a.WindowSeconds*1000, a.AskedSeconds*1000))
		if len(a.Servers) > 0 {
			lines = append(lines, c.attempt(a, names)...)
		}
		for _, server := range slices.Sorted(maps.Keys(a.Failed)) {
			lines = append(lines, "  "+names.within(server+": "+strings.TrimPrefix(a.Failed[server], server+": ")))
		}
	}
	if len(lines) > 0 {
		lines = append(lines, c.legend())
	}
	return lines
}

// certified makes the last attempt of the evidence that every certificate has.
func certified(a certificate.Attempt, servers map[string]certificate.ServerEvidence) certificate.Attempt {
	a.Servers = map[string]certificate.GateAttempt{}
	for id, e := range servers {
		if e.LockAsked == 0 {
			continue // it was made without the gates
		}
		if a.AskedSeconds == 0 || e.LockAsked < a.AskedSeconds {
			a.AskedSeconds = e.LockAsked
		}
		a.Servers[id] = certificate.GateAttempt{
			Asked: e.LockAsked, Answered: e.Granted, Granted: true, CutAsked: e.CutAsked, CutDone: e.CutDone, Released: e.ReleaseAsked,
			Dead: &certificate.DeadTime{Writers: e.Gate.WritersWaited, SumSeconds: e.Gate.DeadSumSeconds, LongestSeconds: e.Gate.DeadLongestSeconds},
		}
	}
	return a
}
