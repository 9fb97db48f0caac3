package replica

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/event"
	"stasis/internal/failpoint"
)

// write writes a report to Current and, when it is known to be written, draws the
// consequences.
func (s *inSyncSet) write(ctx context.Context, c *change) error {
	limited, cancel := context.WithTimeout(ctx, s.server.Timing.Agency)
	defer cancel()
	// A snapshot from before the last report has the node that it replaced, and the write
	// would be refused.
	snap, err := s.server.Cache.Wait(limited, func(a agencyclient.Snapshot) bool { return a.Index >= s.written })
	if err != nil {
		return err
	}
	at, err := s.snapshots.of(snap.Root)
	if err != nil {
		return err
	}
	c.report.Version = at.report.Version + 1
	index, err := s.server.Agency.Write(limited, s.transaction(at, c))
	switch {
	case errors.Is(err, agencyclient.ErrPrecondition):
		s.unknown = true // Plan or Current are not what the cache says: read them
		return nil
	case errors.Is(err, agencyclient.ErrUnavailable): // certainly not written
		return err
	case err != nil:
		s.unknown = true
		return err
	}
	s.written = index
	news, err := s.adopt(limited, c)
	if err != nil {
		s.unknown = true // once more, from what is written
		return err
	}
	s.tell(ctx, news)
	return nil
}

// transaction replaces the report, if everything is as it was read. Each precondition keeps out
// a report that is late:
//
//   - the report that it replaces: one that was followed by another cannot be written any more,
//     although its outcome was unknown for a time;
//   - servers and term in Plan: a leader that was replaced cannot shrink the set from which its
//     successor was chosen;
//   - the restore epoch: it says nothing about data that a restore has replaced;
//   - the reboot id: an earlier process of this server may have lost what it counts on.
func (s *inSyncSet) transaction(at snapshot, c *change) agencyclient.Tx {
	p := s.state.planned()
	tx := agencyclient.Tx{
		Ops: map[string]any{p.currentKey(): agencyclient.Set(c.report), keys.CurrentVersion: agencyclient.Increment(1)},
		Pre: map[string]any{
			p.currentKey():                              agencyclient.Exactly(at.node),
			p.planKey() + "/shards/" + p.Shard:          agencyclient.Old(p.Servers),
			p.planKey() + "/shardTerms/" + p.Shard:      agencyclient.Old(p.Term),
			keys.RestoreEpoch:                           agencyclient.Exactly(at.root.At(keys.RestoreEpoch)),
			keys.ServerKnown(s.server.ID) + "/rebootId": agencyclient.Old(s.tenure.Reboot),
		},
	}
	if failpoint.Off("report-requires-report") {
		delete(tx.Pre, p.currentKey())
	}
	if failpoint.Off("report-requires-reboot") {
		delete(tx.Pre, keys.ServerKnown(s.server.ID)+"/rebootId")
	}
	if failpoint.Off("report-requires-term") {
		delete(tx.Pre, p.planKey()+"/shardTerms/"+p.Shard)
	}
	return tx
}

// news is what a written report has changed, for events.
type news struct {
	report       keys.CurrentShardReport
	taken        bool // the leadership
	resigned     bool
	joined, left []string // followers
}

// adopt draws the consequences of a report that is written: only now a follower that it does
// not have is no longer required. With the first report of a tenure, what the recovery found
// in the log is committed: all members of the report have all of the log, and from now on a
// successor is chosen from them. What is prepared then holds the gate before anything is served.
func (s *inSyncSet) adopt(ctx context.Context, c *change) (news, error) {
	n := news{report: c.report, resigned: c.phase == resigned}
	s.state.mu.Lock()
	n.taken = s.state.phase == joining && c.phase == serving
	n.left, n.joined = s.note(c.report)
	if len(c.members) == 0 && len(s.state.place.followers()) == 0 {
		defer s.shard.Alone(s.tenure, true)
	}
	end, committed := s.state.committed, s.state.committed
	if n.taken {
		end = s.shard.Seq()
	}
	s.state.mu.Unlock()
	if end > committed {
		if err := s.commitRecovered(ctx, end); err != nil {
			return n, err
		}
	}
	if n.taken {
		if err := s.server.Inherit(ctx, s.shard, s.tenure); err != nil {
			return n, err
		}
	}
	s.state.become(c.phase)
	s.commits.advance()
	return n, nil
}

// commitRecovered commits what the recovery found. The records become visible by it, maybe
// for the first time, so it passes the gate like a write: a backup that holds the gate has
// a cut without them.
func (s *inSyncSet) commitRecovered(ctx context.Context, end uint64) error {
	leave, err := func() {}, error(nil)
	if !failpoint.Off("recovered-in-gate") {
		leave, err = s.server.Enter(ctx)
	}
	if err != nil {
		return err
	}
	defer leave()
	s.commits.commit(end)
	return nil
}

// note takes over a report that stands in Current. mu is held.
func (s *inSyncSet) note(r keys.CurrentShardReport) (left, joined []string) {
	s.state.report = r
	for _, id := range slices.Sorted(maps.Keys(s.state.followers)) { // in the order of events
		p, in := s.state.followers[id], slices.Contains(r.Servers, id)
		if in && p.reported == 0 {
			joined = append(joined, id)
		}
		if !in && p.reported != 0 {
			left = append(left, id)
		}
		p.required = in
		if p.reported = 0; in {
			p.reported = r.Reboots[id]
		}
	}
	return left, joined
}

// tell emits the events of a report.
func (s *inSyncSet) tell(ctx context.Context, n news) {
	switch {
	case n.taken:
		s.leads = true
		s.emit(ctx, event.LeadershipTaken, s.server.ID, "in sync: "+strings.Join(n.report.Servers, ", "))
	case n.resigned:
		s.leads = false
		s.emit(ctx, event.LeadershipResigned, s.server.ID, "")
	}
	for _, id := range n.joined {
		s.emit(ctx, event.FollowerInSync, id, "")
	}
	for _, id := range n.left {
		s.emit(ctx, event.FollowerNotInSync, id, "")
	}
}

// resolveUnknown reads what stands in Current when the outcome of a report is unknown. The
// followers in it are required. Those that are not in it stay as they were: a report on its
// way may still take them in.
func (s *inSyncSet) resolveUnknown(ctx context.Context) error {
	if !s.unknown {
		return nil
	}
	at, err := s.snapshots.latest(ctx)
	if err != nil {
		return err
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	s.unknown = false
	s.state.report = at.report
	for id, p := range s.state.followers {
		if p.reported = 0; slices.Contains(at.report.Servers, id) {
			p.reported, p.required = at.report.Reboots[id], true
		}
	}
	return nil
}
