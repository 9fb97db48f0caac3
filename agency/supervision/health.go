package supervision

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job"
	"stasis/fsm"
	"stasis/internal/failpoint"
)

// server is what this leader has seen of one server of Plan.
type server struct {
	id       string
	plan     string         // its key in Plan
	first    time.Time      // when this leader first saw it in Plan
	beat     *fsm.Node      // the last heartbeat
	seen     time.Time      // when that was first seen
	heard    bool           // a heartbeat arrived while this leader watched
	hang     *keys.HungDisk // what the last heartbeat says of a disk that hangs; nil: it does not
	isRouter bool           // a coordinator
}

// judge compares heartbeats, writes a verdict on every server to the transient
// tree, and the verdicts that changed to the replicated one.
//
// The tree is read before the heartbeats are looked at, and a failure is recorded
// only if the server's record in ServersKnown is still the one in that tree. A
// server that takes a lease anew has an answered heartbeat first and raises that
// record then. So either the record was raised before the tree was read, and the
// heartbeat is seen here; or it was raised later, and the failure is not recorded.
//
// The clock is read twice. Verdicts count until a moment before the heartbeats were
// read, and every heartbeat counts from a moment after that: however long this
// machine stands still in between, nobody looks more silent than it is.
func (s *supervisor) judge(ctx context.Context) {
	now := time.Now()
	root, transient := s.store.Root(), s.store.Transient()
	s.listen(root, transient, time.Now())
	verdicts := map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(s.servers)) {
		w := s.servers[id]
		recorded := root.At(keys.ServerHealth(w.id) + "/Status")
		status := s.verdict(root, w, recorded.Text(), now)
		if status == "" {
			continue // unknown to every leader so far: nothing to say yet
		}
		entry := s.entry(root, w, status, now)
		verdicts[w.id] = entry
		if status != recorded.Text() || s.outdated(root, w, status, now) {
			s.record(ctx, root, w, entry, now)
		}
	}
	s.forget(ctx, root)
	tx, err := parse(agencyclient.Tx{Ops: map[string]any{keys.Health: verdicts}})
	if err == nil {
		err = s.store.WriteTransient(ctx, tx)
	}
	if err != nil {
		s.note(ctx, fmt.Errorf("writing health to the transient tree: %w", err))
	}
}

// listen notes which servers there are and which heartbeats are new. What stands
// there when a server is first seen may be old, so it is no sign of life.
func (s *supervisor) listen(root, transient *fsm.Node, now time.Time) {
	present := map[string]bool{}
	for _, plan := range []string{keys.PlanDBServers, keys.PlanCoordinators} {
		for id := range root.At(plan).Children() {
			present[id] = true
			beat := transient.At(keys.ServerStates + "/" + id)
			w := s.servers[id]
			switch {
			case w == nil:
				s.servers[id] = &server{
					id: id, plan: plan + "/" + id, isRouter: plan == keys.PlanCoordinators,
					first: now, beat: beat, seen: now,
				}
			case beat.Exists() && !fsm.Equal(beat, w.beat):
				w.hear(beat, now)
			}
		}
	}
	for id := range s.servers {
		if !present[id] {
			delete(s.servers, id)
		}
	}
}

// hear takes a heartbeat. One that says that the disk hangs is no sign of life: the server
// renews no lease by it.
func (w *server) hear(beat *fsm.Node, now time.Time) {
	w.beat, w.hang = beat, nil
	var b keys.Heartbeat
	if beat.Decode(&b) == nil && b.Disk != nil {
		w.hang = b.Disk
		return
	}
	w.seen, w.heard = now, true
}

// gaveUp says that the server has no lease: its disk hangs, it has said so, and it has
// neither been started nor taken a lease since. The tree is older than the heartbeat, and a
// record that leans on this has ServersKnown as in the tree as a precondition.
func (w *server) gaveUp(root *fsm.Node) bool {
	var known keys.Known
	return w.hang != nil && root.At(keys.ServerKnown(w.id)).Decode(&known) == nil &&
		known.RebootID == w.hang.RebootID && known.Leases == w.hang.Leases
}

// verdict is what the server is now. One round of BAD always comes before FAILED,
// and a server that this leader never heard keeps its recorded status until the
// cluster has had time to settle after a change of leader. One that has given its lease up
// because its disk hangs is waited for no longer.
func (s *supervisor) verdict(root *fsm.Node, w *server, recorded string, now time.Time) string {
	failing := recorded == keys.StatusBad || recorded == keys.StatusFailed
	switch {
	case failing && s.grace.period > 0 && w.gaveUp(root):
		return keys.StatusFailed
	case w.heard || now.Sub(w.first) >= max(s.timing.Settle, s.grace.period) || failpoint.Off("verdict-after-settling"):
	case w.hang != nil && !failing:
		return keys.StatusBad
	default:
		return recorded
	}
	switch age := now.Sub(w.seen); {
	case age <= s.timing.OkThreshold && w.hang == nil:
		return keys.StatusGood
	case recorded == keys.StatusFailed:
		return recorded // only a heartbeat makes it better
	case s.grace.period == 0, age <= s.grace.period, recorded != keys.StatusBad:
		return keys.StatusBad
	}
	return keys.StatusFailed
}

// outdated says whether a recorded failure has to be recorded again, since the
// server has been started or has taken a lease after it, but is silent again, or its disk
// hangs again.
func (s *supervisor) outdated(root *fsm.Node, w *server, status string, now time.Time) bool {
	if w.isRouter || status != keys.StatusFailed || s.grace.period == 0 {
		return false
	}
	silent := now.Sub(w.seen) > s.grace.period && (w.heard || now.Sub(w.first) >= max(s.timing.Settle, s.grace.period))
	if !silent && !w.gaveUp(root) {
		return false
	}
	return !fsm.Equal(root.At(keys.ServerHealth(w.id)+"/Known"), root.At(keys.ServerKnown(w.id)))
}

// tries is how often the record of a failure is tried in one round when somebody
// else takes the number of its job.
const tries = 3

// record makes a verdict known for good. A coordinator that failed counts as
// restarted, which gives up what it was creating. A DB server that failed makes
// work, unless it is in maintenance.
func (s *supervisor) record(ctx context.Context, root *fsm.Node, w *server, entry keys.HealthEntry, now time.Time) {
	if w.isRouter || entry.Status != keys.StatusFailed {
		s.change(ctx, s.verdictOn(root, w, entry, now))
		return
	}
	for range tries {
		d := s.verdictOn(root, w, entry, now)
		latest := s.store.Root().At(keys.LatestID)
		if !root.At(keys.CurrentMaintenance + "/" + w.id).Exists() {
			n, _ := latest.Int()
			id := strconv.FormatInt(n+1, 10)
			d.Job = id
			d.Tx.Ops[keys.LatestID], d.Tx.Pre[keys.LatestID] = n+1, agencyclient.Exactly(latest)
			d.Tx.Ops[keys.TargetToDo+"/"+id] = keys.Job{
				Type: keys.JobFailedServer, JobID: id, Creator: "supervision", TimeCreated: stamp(now), Server: w.id,
			}
		}
		if s.change(ctx, d) || ctx.Err() != nil || fsm.Equal(latest, s.store.Root().At(keys.LatestID)) {
			return
		}
	}
}

// verdictOn is the record of a new status and what belongs to it.
func (s *supervisor) verdictOn(root *fsm.Node, w *server, entry keys.HealthEntry, now time.Time) job.Decision {
	was := root.At(keys.ServerHealth(w.id) + "/Status")
	tx := agencyclient.Tx{
		Ops: map[string]any{keys.ServerHealth(w.id): entry},
		Pre: map[string]any{
			keys.ServerHealth(w.id) + "/Status": agencyclient.Exactly(was),
			w.plan:                              agencyclient.OldEmpty(false),
		},
	}
	failure := keys.FailedServers + "/" + w.id
	switch {
	case w.isRouter && entry.Status == keys.StatusFailed:
		key := keys.ServerKnown(w.id) + "/rebootId"
		reboots := root.At(key)
		n, _ := reboots.Int()
		tx.Ops[key], tx.Pre[key] = n+1, agencyclient.Exactly(reboots)
	case !w.isRouter && entry.Status == keys.StatusFailed:
		known := root.At(keys.ServerKnown(w.id))
		tx.Ops[failure] = struct{}{}
		tx.Ops[keys.ServerHealth(w.id)+"/Known"] = known
		if !failpoint.Off("verdict-names-the-lease") {
			tx.Pre[keys.ServerKnown(w.id)] = agencyclient.Exactly(known)
		}
		tx.Pre[keys.SupervisionGrace] = agencyclient.Exactly(root.At(keys.SupervisionGrace))
	case !w.isRouter && entry.Status == keys.StatusGood && root.At(failure).Exists():
		tx.Ops[failure] = agencyclient.Delete()
	}
	detail := cmp.Or(was.Text(), "unknown") + " → " + entry.Status
	switch {
	case w.hang != nil:
		detail += ", its disk hangs " + w.hang.Hangs
	case entry.Status != keys.StatusGood:
		detail += fmt.Sprintf(", nothing heard for %v", now.Sub(w.seen).Round(time.Second))
	}
	return job.Decision{Tx: tx, Step: HealthChanged, Server: w.id, Detail: detail}
}

// forget removes the record of servers that are no longer in Plan.
func (s *supervisor) forget(ctx context.Context, root *fsm.Node) {
	for id, record := range root.At(keys.Health).Children() {
		if s.servers[id] != nil {
			continue
		}
		s.change(ctx, job.Decision{Tx: agencyclient.Tx{
			Ops: map[string]any{keys.Health + "/" + id: agencyclient.Delete(), keys.FailedServers + "/" + id: agencyclient.Delete()},
			Pre: map[string]any{
				keys.Health + "/" + id:           agencyclient.Exactly(record),
				keys.PlanDBServers + "/" + id:    agencyclient.OldEmpty(true),
				keys.PlanCoordinators + "/" + id: agencyclient.OldEmpty(true),
			},
		}})
	}
}

// entry describes a server with its status.
func (s *supervisor) entry(root *fsm.Node, w *server, status string, now time.Time) keys.HealthEntry {
	registered := root.At(keys.ServerRegistered(w.id))
	e := keys.HealthEntry{
		ShortName:          root.At(keys.ShortIDs + "/" + w.id + "/ShortName").Text(),
		Endpoint:           registered.At("endpoint").Text(),
		AdvertisedEndpoint: registered.At("advertisedEndpoint").Text(),
		Host:               registered.At("host").Text(),
		Version:            registered.At("versionString").Text(),
		Engine:             registered.At("engine").Text(),
		SyncStatus:         "UNKNOWN",
		Status:             status,
		Timestamp:          stamp(now),
	}
	if w.hang != nil {
		e.Disk = "hangs " + w.hang.Hangs
	}
	if w.heard {
		e.SyncStatus = w.beat.At("status").Text()
		e.SyncTime = w.beat.At("time").Text()
		e.LastAckedTime = stamp(w.seen)
	}
	return e
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
