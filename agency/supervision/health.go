package supervision

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"stasis/agency/client"
	"stasis/agency/keys"
	"stasis/fsm"
	"stasis/internal/step"
)

// What a server can be.
const (
	good   = "GOOD"
	bad    = "BAD"
	failed = "FAILED"
)

// server is what this leader has seen of one server of Plan.
type server struct {
	id       string
	plan     string    // its key in Plan
	first    time.Time // when this leader first saw it in Plan
	beat     *fsm.Node // the last heartbeat
	seen     time.Time // when that was first seen
	heard    bool      // a heartbeat arrived while this leader watched
	isRouter bool      // a coordinator
}

// judge compares heartbeats, writes a verdict on every server to the transient
// tree, and the verdicts that changed to the replicated one.
func (s *supervisor) judge(ctx context.Context, root *fsm.Node, now time.Time) {
	s.listen(root, s.store.Transient(), now)
	verdicts := map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(s.servers)) {
		w := s.servers[id]
		recorded := root.At(keys.Health + "/" + w.id + "/Status")
		status := s.verdict(w, recorded.Text(), now)
		if status == "" {
			continue // unknown to every leader so far: nothing to say yet
		}
		entry := s.entry(root, w, status, now)
		verdicts[w.id] = entry
		if status != recorded.Text() {
			s.record(ctx, root, w, entry, recorded)
		}
	}
	s.forget(ctx, root)
	tx, err := parse(client.Tx{Ops: map[string]any{keys.Health: verdicts}})
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
				w.beat, w.seen, w.heard = beat, now, true
			}
		}
	}
	for id := range s.servers {
		if !present[id] {
			delete(s.servers, id)
		}
	}
}

// verdict is what the server is now. One round of BAD always comes before FAILED,
// and a server that this leader never heard keeps its recorded status until the
// cluster has had time to settle after a change of leader.
func (s *supervisor) verdict(w *server, recorded string, now time.Time) string {
	if !w.heard && now.Sub(w.first) < s.timing.Settle {
		return recorded
	}
	switch age := now.Sub(w.seen); {
	case age <= s.timing.OkThreshold:
		return good
	case age <= s.timing.Grace, recorded != bad && recorded != failed:
		return bad
	}
	return failed
}

// record makes a verdict known for good. A coordinator that failed counts as
// restarted, which gives up what it was creating.
func (s *supervisor) record(ctx context.Context, root *fsm.Node, w *server, entry keys.HealthEntry, was *fsm.Node) {
	tx := client.Tx{
		Ops: map[string]any{keys.Health + "/" + w.id: entry},
		Pre: map[string]any{
			keys.Health + "/" + w.id + "/Status": client.Exactly(was),
			w.plan:                               client.OldEmpty(false),
		},
	}
	failure := keys.FailedServers + "/" + w.id
	switch {
	case w.isRouter && entry.Status == failed:
		key := keys.ServerKnown(w.id) + "/rebootId"
		reboots := root.At(key)
		n, _ := reboots.Int()
		tx.Ops[key], tx.Pre[key] = n+1, client.Exactly(reboots)
	case !w.isRouter && entry.Status == failed:
		tx.Ops[failure] = struct{}{}
	case !w.isRouter && entry.Status == good && root.At(failure).Exists():
		tx.Ops[failure] = client.Delete()
	}
	if s.change(ctx, tx) {
		from := was.Text()
		if from == "" {
			from = "unknown"
		}
		s.emit(ctx, step.Event{Step: HealthChanged, Server: w.id, Detail: from + " → " + entry.Status})
	}
}

// forget removes the record of servers that are no longer in Plan.
func (s *supervisor) forget(ctx context.Context, root *fsm.Node) {
	for id, record := range root.At(keys.Health).Children() {
		if s.servers[id] != nil {
			continue
		}
		s.change(ctx, client.Tx{
			Ops: map[string]any{keys.Health + "/" + id: client.Delete(), keys.FailedServers + "/" + id: client.Delete()},
			Pre: map[string]any{
				keys.Health + "/" + id:           client.Exactly(record),
				keys.PlanDBServers + "/" + id:    client.OldEmpty(true),
				keys.PlanCoordinators + "/" + id: client.OldEmpty(true),
			},
		})
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
	if w.heard {
		e.SyncStatus = w.beat.At("status").Text()
		e.SyncTime = w.beat.At("time").Text()
		e.LastAckedTime = stamp(w.seen)
	}
	return e
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
