package supervision

import (
	"context"
	"fmt"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job"
	"stasis/event"
	"stasis/fsm"
	"stasis/internal/failpoint"
)

// gracePeriod is the grace period that counts. DB servers read it in the agency and take serving
// leases that are shorter. So none counts that they might not have read: a period is written
// first. When it is made shorter, the longer one counts until it has passed once since then,
// because leases that were taken by it have not ended before. The longer one stands beside it in
// the agency meanwhile, so that the next leader knows of it too.
type gracePeriod struct {
	store      Store
	proposer   *proposer
	configured time.Duration

	period    time.Duration // 0: none is written yet, so no server may be judged by it
	before    *fsm.Node     // the longer one, as this leader saw it first
	sawBefore time.Time
}

// agree writes the configured grace period and finds out which one counts.
func (g *gracePeriod) agree(ctx context.Context, root *fsm.Node) {
	g.publish(ctx, root)
	root = g.store.Root()
	now := time.Now() // not earlier: writing may have taken long
	published, ok := seconds(root.At(keys.SupervisionGrace))
	if !ok || !g.isPublished(root) {
		g.period = 0
		return
	}
	g.period = max(published, g.configured)
	before := root.At(keys.SupervisionGraceBefore)
	longer, ok := seconds(before)
	if !ok {
		g.before = nil
		return
	}
	if !fsm.Equal(before, g.before) {
		g.before, g.sawBefore = before, time.Now()
	}
	if now.Sub(g.sawBefore) <= longer && !failpoint.Off("longer-grace-stays") {
		g.period = max(g.period, longer)
		return
	}
	tx := agencyclient.NewTx()
	tx.Ops[keys.SupervisionGraceBefore] = agencyclient.Delete()
	tx.Pre[keys.SupervisionGraceBefore] = agencyclient.Exactly(before)
	tx.Pre[keys.SupervisionGrace] = agencyclient.Exactly(root.At(keys.SupervisionGrace))
	g.proposer.change(ctx, job.Decision{Tx: tx})
}

// isPublished says whether the agency has the period that is configured here.
func (g *gracePeriod) isPublished(root *fsm.Node) bool {
	d, ok := seconds(root.At(keys.SupervisionGrace))
	return ok && d == g.configured
}

// publish writes the configured grace period, and beside it the longest that may be in use.
func (g *gracePeriod) publish(ctx context.Context, root *fsm.Node) {
	if g.isPublished(root) {
		return
	}
	was, before := root.At(keys.SupervisionGrace), root.At(keys.SupervisionGraceBefore)
	tx := agencyclient.NewTx()
	tx.Ops[keys.SupervisionGrace] = g.configured.Seconds()
	tx.Pre[keys.SupervisionGrace] = agencyclient.Exactly(was)
	tx.Pre[keys.SupervisionGraceBefore] = agencyclient.Exactly(before)
	d := job.Decision{Tx: tx, Step: event.GracePeriodChanged, Detail: fmt.Sprintf("%v from now on", g.configured)}
	longest, _ := seconds(before)
	if old, ok := seconds(was); ok {
		longest = max(longest, old)
	}
	if longest > g.configured {
		d.Tx.Ops[keys.SupervisionGraceBefore] = longest.Seconds()
		d.Detail += fmt.Sprintf(", in use when the longer one of %v has passed once more", longest)
	}
	g.proposer.change(ctx, d)
}

// longestPeriod bounds the periods that are read from the agency.
const longestPeriod = 24 * time.Hour

// seconds reads a duration, false if there is none that makes sense.
func seconds(n *fsm.Node) (time.Duration, bool) {
	var f float64
	if n.Decode(&f) != nil || f <= 0 || f > longestPeriod.Seconds() {
		return 0, false
	}
	return time.Duration(f * float64(time.Second)), true
}
