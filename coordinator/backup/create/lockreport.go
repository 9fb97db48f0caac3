package create

import (
	"time"

	"stasis/client/certificate"
)

// reported adds an attempt that has ended to the lock report, with every server's part in it.
func (g *globalLock) reported(a certificate.Attempt, h *holds, began time.Time) {
	a.ElapsedSeconds, a.AskedSeconds = time.Since(began).Seconds(), g.op.Since(began)
	a.Servers = map[string]certificate.GateAttempt{}
	for _, m := range g.members {
		e := g.evidence[m.ID]
		a.Servers[m.ID] = certificate.GateAttempt{
			Asked: e.LockAsked, Answered: e.Granted, Granted: h.each[m.ID].isGranted(), Why: a.Failed[m.ID],
			Released: e.ReleaseAsked, HeldSeconds: e.Gate.HeldSeconds,
		}
	}
	g.addCuts(&a)
	h.evicts.into(&a)
	if len(a.Failed) == 0 {
		g.report.SkewSeconds, g.report.SlackSeconds = a.SkewSeconds, a.SlackSeconds
	}
	g.report.Attempts = append(g.report.Attempts, a)
	g.dead.into(&g.report, g.op.Since)
}

// addCuts adds the cuts of an attempt that were made, how far apart they were, and what is left of
// the instant.
func (g *globalLock) addCuts(a *certificate.Attempt) {
	var first, last, asked float64
	for _, cut := range g.cuts {
		s := a.Servers[cut.ID]
		e := g.evidence[cut.ID]
		s.CutAsked, asked = e.CutAsked, e.CutAsked
		if cut.Err == nil {
			s.CutDone = e.CutDone
			if first == 0 || s.CutDone < first {
				first = s.CutDone
			}
		}
		last = max(last, e.CutDone)
		a.Servers[cut.ID] = s
	}
	if first == 0 {
		return
	}
	a.SkewSeconds = last - first
	a.SlackSeconds = max(0, g.instant.To-g.instant.From-(last-asked))
}

// isGranted says whether the gate was granted, even if it has been lost since.
func (h *hold) isGranted() bool {
	select {
	case <-h.granted:
		return true
	default:
		return false
	}
}
