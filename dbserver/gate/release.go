package gate

import (
	"fmt"

	"stasis/internal/apierror"
)

// Check answers [apierror.GateLost] unless this attempt holds the gate now.
func (g *Gate) Check(nonce string, attempt uint64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if l := g.turn; l != nil && l.held && l.claim.Nonce == nonce && l.claim.Attempt == attempt {
		return nil
	}
	reason := "it was not granted"
	if b := g.evidence.of(nonce); b != nil && b.reason != "" {
		reason = b.reason
	}
	return apierror.New(apierror.GateLost, "nonce %s does not hold the gate: %s", nonce, reason)
}

// Knows says whether a nonce is remembered: it holds the gate, queues for it, or has held it.
func (g *Gate) Knows(nonce string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.evidence.of(nonce) != nil
}

// Release opens the gate if this attempt holds it, or takes it out of the queue. The report
// covers everything since the nonce's last release. A second release of the attempt returns
// the same report. A release that comes after the next attempt has begun changes nothing.
func (g *Gate) Release(nonce string, attempt uint64) Report {
	g.mu.Lock()
	defer g.mu.Unlock()
	if b := g.evidence.of(nonce); b != nil && b.attempt > attempt {
		return Report{Reason: fmt.Sprintf("attempt %d has begun since", b.attempt)}
	}
	return g.release(nonce, attempt)
}

// GiveUp releases the nonce for good: a lock of it that comes later is refused.
func (g *Gate) GiveUp(nonce string) Report {
	g.mu.Lock()
	defer g.mu.Unlock()
	attempt := uint64(0)
	if b := g.evidence.of(nonce); b != nil {
		attempt = b.attempt
	}
	r := g.release(nonce, attempt)
	g.evidence.of(nonce).over = true
	return r
}

func (g *Gate) release(nonce string, attempt uint64) Report {
	if l := g.find(nonce); l != nil {
		var err error
		if !l.held {
			err = apierror.New(apierror.GateLost, "released while it waited for the gate")
		}
		g.end(l, err)
	}
	return g.evidence.close(nonce, attempt, g.busy)
}
