package replica

import (
	"maps"
	"math"
	"slices"
	"time"

	"stasis/agency/keys"
	"stasis/internal/failpoint"
)

// inSyncSet decides which followers are in sync, and reports that to Current. Its methods
// are called by the leader's goroutine only.
type inSyncSet struct {
	*base
	state     *state
	commits   *committer
	snapshots snapshots
	unknown   bool   // the outcome of the last report is unknown
	written   uint64 // index of the last report written
	leads     bool   // the leadership was taken, and has not been resigned since
}

// nearly is how many records a follower may be behind to become required. Writers wait for a
// required follower, so one that is further behind catches up first.
const nearly = 1000

// never is a time until nothing is due.
const never = time.Duration(math.MaxInt64)

// requireCaughtUp requires the followers that keep up and are not in sync yet: from now on
// nothing is committed without them. They may be reported as in sync when they have
// everything that may have been committed without them.
func (s *inSyncSet) requireCaughtUp() {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	if p := s.state.phase; p == recovering || p == over || p == resigned {
		return
	}
	end := s.shard.Seq()
	for _, id := range s.state.place.followers() {
		p := s.state.followers[id]
		if p == nil || p.required || p.copying || p.reboot == 0 || p.acked+nearly < end || p.silent(time.Now()) >= s.server.Timing.Silent {
			continue
		}
		p.required = true
		// The order matters. A record that is numbered after Alone waits for the follower,
		// because required is set already; every earlier one is below what Alone returns.
		p.needs = s.shard.Alone(s.tenure, false)
	}
}

// change is a report to be written.
type change struct {
	report  keys.CurrentShardReport
	members []string // followers in it
	phase   phase    // when it is written
}

// due gives the report that is to be written. If there is none, it gives nil and the time
// after which to look again at the latest.
func (s *inSyncSet) due(now time.Time) (*change, time.Duration) {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	at := s.state.phase
	if at == over || at == recovering {
		return nil, never
	}
	c := &change{phase: at}
	var late bool
	c.members, late = s.decide(now)
	if at == joining {
		// Without the serving lease this server could not serve, and another may be about to
		// be named.
		if s.server.Lease() != nil {
			return nil, s.server.Timing.Linger
		}
		// Followers that are late would have to be taken in by another report, so the first
		// one waits for them a little. Nothing is served meanwhile.
		if rest := s.server.Timing.Join - now.Sub(s.state.since); late && rest > 0 {
			return nil, min(rest, s.server.Timing.Linger)
		}
		c.phase = serving
	}
	c.report = s.reportOf(c.members)
	if at != joining && equalReports(c.report, s.state.report) && !s.waitsInVain(now) {
		return nil, s.server.Timing.KeepAlive
	}
	return c, 0
}

// decide gives the followers that are in sync now, in Plan's order. late: one of the others
// has not FAILED, so it may still come. mu is held.
func (s *inSyncSet) decide(now time.Time) (members []string, late bool) {
	end := s.shard.Seq()
	root := s.server.Cache.Snapshot().Root
	for _, id := range s.state.place.followers() {
		p := s.state.followers[id]
		if p == nil {
			continue
		}
		in := p.required && !p.copying && p.reboot != 0 && p.silent(now) < s.server.Timing.Silent
		switch {
		case s.state.phase == joining: // nothing is numbered meanwhile
			in = in && p.acked >= end
		case p.reported == 0:
			in = in && (p.acked >= p.needs || failpoint.Off("member-has-all"))
		case p.reboot == 0 && !p.copying:
			// Reported, and not heard yet in this tenure: it stays until it has been silent for
			// too long, or each new leader would begin by reporting itself alone.
			in = p.silent(now) < s.server.Timing.Silent
		}
		if in {
			members = append(members, id)
		} else if !hasFailed(root, id) {
			late = true
		}
	}
	return members, late
}

// waitsInVain says that a required follower, which no known report has, is gone. Then the
// report is written again although it says the same: it has a new version, so an earlier
// report that takes the follower in, and whose outcome is unknown, cannot be written after
// it. Only then commits need not wait for the follower. mu is held.
func (s *inSyncSet) waitsInVain(now time.Time) bool {
	for id, p := range s.state.followers {
		gone := p.copying || p.silent(now) >= s.server.Timing.Silent || !slices.Contains(s.state.place.followers(), id)
		if p.required && p.reported == 0 && gone {
			return true
		}
	}
	return false
}

// reportOf makes a report. A member that was started again keeps its old reboot id, and so
// is not trusted, until it has everything that is committed or decided to be: that decision
// may have counted on records which its earlier process had and did not sync. mu is held.
func (s *inSyncSet) reportOf(members []string) keys.CurrentShardReport {
	me := s.server.ID
	if s.state.phase == resigned {
		me = keys.Resigned + me
	}
	r := keys.CurrentShardReport{
		Indexes: s.state.place.Indexes, Servers: append([]string{me}, members...), Term: s.tenure.Term,
		Reboots: map[string]uint64{s.server.ID: s.tenure.Reboot},
	}
	r.FailoverCandidates = r.Servers
	if r.Indexes == nil {
		r.Indexes = []keys.Index{}
	}
	for _, id := range members {
		p := s.state.followers[id]
		r.Reboots[id] = p.reported
		if p.reboot != p.reported && p.reboot != 0 && (p.acked >= max(p.needs, s.state.committing) || failpoint.Off("trust-after-catch-up")) {
			r.Reboots[id] = p.reboot
		}
	}
	return r
}

func equalReports(a, b keys.CurrentShardReport) bool {
	sameIndex := func(a, b keys.Index) bool { return a.ID == b.ID && slices.Equal(a.Fields, b.Fields) }
	return a.Error == b.Error && a.Term == b.Term && slices.Equal(a.Servers, b.Servers) && maps.Equal(a.Reboots, b.Reboots) &&
		slices.EqualFunc(a.Indexes, b.Indexes, sameIndex)
}
