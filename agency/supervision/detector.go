package supervision

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/fsm"
	"stasis/internal/failpoint"
)

// failureDetector judges the servers of Plan by their heartbeats: GOOD, BAD or FAILED.
type failureDetector struct {
	store    Store
	proposer *proposer
	grace    *gracePeriod
	periods  Periods
	servers  map[string]*server // by id
}

func newFailureDetector(store Store, p *proposer, grace *gracePeriod, periods Periods) *failureDetector {
	return &failureDetector{store: store, proposer: p, grace: grace, periods: periods, servers: map[string]*server{}}
}

// judge compares heartbeats, writes a verdict on every server to the transient tree, and the
// verdicts that changed to the replicated one.
//
// The tree is read before the heartbeats are, and a failure is recorded only if the server's
// entry in ServersKnown is still the one in that tree. A server that takes a lease again has an
// answered heartbeat first, and raises that entry then. So either the entry was raised before the
// tree was read, and the heartbeat is seen here; or it was raised later, and the failure is not
// recorded.
//
// The clock is read twice. Verdicts count until a moment before the heartbeats were read, and
// every heartbeat counts from a moment after that: however long this machine stands still in
// between, no server looks more silent than it is.
func (f *failureDetector) judge(ctx context.Context) {
	now := time.Now()
	root, transient := f.store.Root(), f.store.Transient()
	f.listen(root, transient, time.Now())
	verdicts := map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(f.servers)) {
		s := f.servers[id]
		recorded := root.At(keys.ServerHealth(id) + "/Status").Text()
		status := f.verdict(root, s, recorded, now)
		if status == "" {
			continue // no leader has heard it so far: there is nothing to say yet
		}
		entry := s.entry(root, status, now, f.proposer.wall)
		verdicts[id] = entry
		if status != recorded || f.outdated(root, s, status, now) {
			f.record(ctx, root, s, entry, now)
		}
	}
	for _, d := range removedRecords(root, f.servers) {
		f.proposer.change(ctx, d)
	}
	tx, err := parse(agencyclient.Tx{Ops: map[string]any{keys.Health: verdicts}})
	if err == nil {
		err = f.store.WriteTransient(ctx, tx)
	}
	if err != nil {
		f.proposer.report(ctx, fmt.Errorf("write health to the transient tree: %w", err))
	}
}

// listen notes which servers there are and which heartbeats are new. The heartbeat that is there
// when a server is first seen may be old, so it is no sign of life.
func (f *failureDetector) listen(root, transient *fsm.Node, now time.Time) {
	present := map[string]bool{}
	for _, plan := range []string{keys.PlanDBServers, keys.PlanCoordinators} {
		for id := range root.At(plan).Children() {
			present[id] = true
			beat := transient.At(keys.ServerStates + "/" + id)
			s := f.servers[id]
			switch {
			case s == nil:
				f.servers[id] = &server{
					id: id, plan: plan + "/" + id, isCoordinator: plan == keys.PlanCoordinators,
					first: now, beat: beat, seen: now,
				}
			case beat.Exists() && !fsm.Equal(beat, s.beat):
				s.hear(beat, now)
			}
		}
	}
	maps.DeleteFunc(f.servers, func(id string, _ *server) bool { return !present[id] })
}

// verdict is what the server is now, "" if there is nothing to say yet. One pass of BAD always
// comes before FAILED. A server that this leader has never heard keeps its recorded status until
// LeaderGrace has passed. A server that gave its lease up because its disk hangs is waited for no
// longer.
func (f *failureDetector) verdict(root *fsm.Node, s *server, recorded string, now time.Time) string {
	failing := recorded == keys.StatusBad || recorded == keys.StatusFailed
	switch {
	case failing && f.grace.period > 0 && s.gaveUp(root):
		return keys.StatusFailed
	case f.mayJudge(s, now) || failpoint.Off("verdict-after-leader-grace"):
	case s.hang != nil && !failing:
		return keys.StatusBad
	default:
		return recorded
	}
	switch age := now.Sub(s.seen); {
	case age <= f.periods.OkThreshold && s.hang == nil:
		return keys.StatusGood
	case recorded == keys.StatusFailed:
		return recorded // only a heartbeat makes it better
	case f.grace.period == 0, age <= f.grace.period, recorded != keys.StatusBad:
		return keys.StatusBad
	}
	return keys.StatusFailed
}

// mayJudge says that the silence of a server means something: this leader has heard it, or has
// listened for so long that every lease has ended that another leader's answer gave.
func (f *failureDetector) mayJudge(s *server, now time.Time) bool {
	return s.heard || now.Sub(s.first) >= max(f.periods.LeaderGrace, f.grace.period)
}

// outdated says whether a recorded failure has to be recorded again: the server has been started
// or has taken a lease after it, and is silent again or its disk hangs again.
func (f *failureDetector) outdated(root *fsm.Node, s *server, status string, now time.Time) bool {
	if s.isCoordinator || status != keys.StatusFailed || f.grace.period == 0 {
		return false
	}
	silent := now.Sub(s.seen) > f.grace.period && f.mayJudge(s, now)
	if !silent && !s.gaveUp(root) {
		return false
	}
	return !fsm.Equal(root.At(keys.ServerHealth(s.id)+"/Known"), root.At(keys.ServerKnown(s.id)))
}

// attempts is how often the record of a failure is tried in one pass when another transaction
// takes the number of its job.
const attempts = 3

// record writes a verdict to the replicated tree. The failure of a DB server makes a job in the
// same transaction, unless the server is in maintenance: without the job on record, a leader that
// stops here would leave the failure without consequences.
func (f *failureDetector) record(ctx context.Context, root *fsm.Node, s *server, entry keys.HealthEntry, now time.Time) {
	if s.isCoordinator || entry.Status != keys.StatusFailed {
		f.proposer.change(ctx, verdictRecord(root, s, entry, now))
		return
	}
	for range attempts {
		d := verdictRecord(root, s, entry, now)
		latest := f.store.Root().At(keys.LatestID)
		if !root.At(keys.CurrentMaintenance + "/" + s.id).Exists() {
			addJob(&d, latest, f.proposer.wall.Of(now))
		}
		if f.proposer.change(ctx, d) || ctx.Err() != nil || fsm.Equal(latest, f.store.Root().At(keys.LatestID)) {
			return
		}
	}
}
