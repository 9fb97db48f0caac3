package supervision

import (
	"context"
	"fmt"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job"
	"stasis/fsm"
	"stasis/internal/failpoint"
)

// grace is the grace period that is in use. DB servers read it in the agency and
// take leases that are shorter, so none is used here that they might not have read:
// it is written first, and when it is made shorter the longer one stays in use until
// it has passed once since that was written. The longer one stands beside it in the
// agency meanwhile, so that the next leader knows of it too.
type grace struct {
	period    time.Duration // 0: nothing is written yet, so nobody may be judged by it
	before    *fsm.Node     // the longer one, as this leader saw it first
	sawBefore time.Time
}

// agree writes the configured grace period and says in s.grace which one counts.
func (s *supervisor) agree(ctx context.Context, root *fsm.Node) {
	s.publish(ctx, root)
	root = s.store.Root()
	now := time.Now() // not earlier: writing may have taken long
	published, ok := seconds(root.At(keys.SupervisionGrace))
	if !ok || !s.published(root) {
		s.grace.period = 0
		return
	}
	s.grace.period = max(published, s.timing.Grace)
	before := root.At(keys.SupervisionWas)
	longer, ok := seconds(before)
	if !ok {
		s.grace.before = nil
		return
	}
	if !fsm.Equal(before, s.grace.before) {
		s.grace.before, s.grace.sawBefore = before, time.Now()
	}
	if now.Sub(s.grace.sawBefore) <= longer && !failpoint.Off("longer-grace-stays") {
		s.grace.period = max(s.grace.period, longer)
		return
	}
	s.change(ctx, job.Decision{Tx: agencyclient.Tx{
		Ops: map[string]any{keys.SupervisionWas: agencyclient.Delete()},
		Pre: map[string]any{keys.SupervisionWas: agencyclient.Exactly(before), keys.SupervisionGrace: agencyclient.Exactly(root.At(keys.SupervisionGrace))},
	}})
}

// published says whether the agency has the period that is configured here.
func (s *supervisor) published(root *fsm.Node) bool {
	d, ok := seconds(root.At(keys.SupervisionGrace))
	return ok && d == s.timing.Grace
}

// publish makes the configured grace period known.
func (s *supervisor) publish(ctx context.Context, root *fsm.Node) {
	if s.published(root) {
		return
	}
	was, before := root.At(keys.SupervisionGrace), root.At(keys.SupervisionWas)
	d := job.Decision{
		Tx: agencyclient.Tx{
			Ops: map[string]any{keys.SupervisionGrace: s.timing.Grace.Seconds()},
			Pre: map[string]any{keys.SupervisionGrace: agencyclient.Exactly(was), keys.SupervisionWas: agencyclient.Exactly(before)},
		},
		Step: GraceChanged, Detail: fmt.Sprintf("%v from now on", s.timing.Grace),
	}
	longest, _ := seconds(before)
	if old, ok := seconds(was); ok {
		longest = max(longest, old)
	}
	if longest > s.timing.Grace {
		d.Tx.Ops[keys.SupervisionWas] = longest.Seconds()
		d.Detail += fmt.Sprintf(", in use when the longer one of %v has passed once more", longest)
	}
	s.change(ctx, d)
}

// seconds reads a duration, false if there is none that makes sense.
func seconds(n *fsm.Node) (time.Duration, bool) {
	var f float64
	if n.Decode(&f) != nil || f <= 0 || f > longestLease.Seconds() {
		return 0, false
	}
	return time.Duration(f * float64(time.Second)), true
}
