package certificate

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"stasis/internal/failpoint"
)

// clockTolerance is how much two monotonic clocks may differ in rate, and clockGrain how
// coarse they may be in seconds, before evidence counts as contradictory.
const (
	clockTolerance = 0.01
	clockGrain     = 0.005
)

// Problems returns why the evidence does not show that the backup is one instant; nothing if it
// does.
func (c *Certificate) Problems() []string {
	var out []string
	if c.Format < 1 || c.Format > Format {
		return []string{fmt.Sprintf("the certificate has format %d, and this version knows 1 to %d", c.Format, Format)}
	}
	if len(c.Servers) == 0 {
		out = append(out, "the certificate names no server")
	}
	if why := c.unlocked(); why != "" {
		return append(out, why)
	}
	if c.Instant.From > c.Instant.To {
		out = append(out, "there is no moment at which all gates were held")
	}
	if thawed := c.Agency.ThawAsked; thawed != 0 && thawed < c.Instant.To {
		out = append(out, "Plan was thawed before the instant ended")
	}
	for _, id := range slices.Sorted(maps.Keys(c.Servers)) {
		if why := c.Servers[id].Problem(c.Instant); why != "" {
			out = append(out, id+": "+why)
		}
	}
	return out
}

// unlocked returns why no gate was held for the instant; "" if all were.
func (c *Certificate) unlocked() string {
	switch asked := c.History.Lock.LockMode; {
	case c.Instant.LockMode == LockModeGates, c.Instant.LockMode == LockModeCommits:
		return ""
	case asked == LockModeNone:
		return "the global lock was not held (lock mode none, as it was asked for)"
	case asked != "":
		return fmt.Sprintf("the global lock was not held (lock mode %s: %s was asked for, and could not be had)", c.Instant.LockMode, asked)
	default:
		return fmt.Sprintf("the global lock was not held (lock mode %s)", c.Instant.LockMode)
	}
}

// Problem returns why the evidence does not show that the server's gate was held over the instant,
// and that its cut was made in it; "" if it does.
func (e ServerEvidence) Problem(i Instant) string {
	held := e.Gate.HeldSeconds*(1+clockTolerance) + clockGrain
	switch {
	case !e.Gate.Unbroken && !failpoint.Off("certificate-unbroken"):
		return "the gate was not held without a break: " + orUnknown(e.Gate.Reason)
	case i.LockMode == LockModeGates && e.Gate.LockMode == LockModeCommits && !failpoint.Off("certificate-gate-mode"):
		return "the gate was held in lock mode commits, and transactions that were open might have gone on"
	case e.Granted > i.From:
		return "the gate was granted after the instant began"
	case e.CutAsked < i.From || e.CutDone < e.CutAsked || e.CutDone > i.To:
		return "the cut is outside the instant"
	case e.ReleaseAsked < i.To:
		return "the gate was released before the instant ended"
	case failpoint.Off("certificate-held-long-enough"):
	case math.IsNaN(held) || held < e.ReleaseAsked-e.Granted:
		return fmt.Sprintf("the gate was held for %.6f s by its own clock, which is less than %.6f s", e.Gate.HeldSeconds, e.ReleaseAsked-e.Granted)
	}
	return ""
}

func orUnknown(s string) string {
	if s == "" {
		return "no reason given"
	}
	return s
}
