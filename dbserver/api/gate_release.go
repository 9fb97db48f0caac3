package api

import (
	"context"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/gate"
	"stasis/internal/failpoint"
)

// release answers with the evidence of how the gate was held.
func (g gates) release(ctx context.Context, q dbclient.GateReleaseRequest) dbclient.GateReleaseResponse {
	r := g.end(ctx, q)
	g.events.settle(ctx, q.Nonce)
	return dbclient.GateReleaseResponse{
		Unbroken: r.Unbroken, HeldSeconds: r.Held.Seconds(),
		GrantedAt: stamp(r.GrantedAt), ReleasedAt: stamp(r.ReleasedAt),
		WritersWaited: r.Writers, DeadSumSeconds: r.DeadSum.Seconds(), DeadLongestSeconds: r.DeadLongest.Seconds(),
		DeadP99Seconds: r.DeadP99.Seconds(), Reason: r.Reason, Attempt: r.Attempt, LockMode: dbclient.LockMode(r.Mode),
	}
}

// end ends what the nonce holds. A nonce that has nothing here and does not hold the agency
// lock is not remembered: it gets no gate either, and remembering it would displace the
// evidence of another nonce. The same goes for a nonce of which that cannot be told now: if
// its lock comes yet, it has no beats.
func (g gates) end(ctx context.Context, q dbclient.GateReleaseRequest) gate.Report {
	if !g.gate.Knows(q.Nonce) && g.reader.UnderLockWithin(ctx, q.ID, q.Nonce, gatePatience) != nil && !failpoint.Off("strangers-are-not-remembered") {
		return gate.Unknown()
	}
	if q.Final && !failpoint.Off("release-is-final") {
		return g.gate.GiveUp(q.Nonce)
	}
	return g.gate.Release(q.Nonce, q.Attempt)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
