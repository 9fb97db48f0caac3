package replica

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/failpoint"
)

// round looks at everything once: which followers there are, who keeps up, what
// Plan wants; and reports what has changed. It says when to look again at the latest.
func (l *Leader) round(ctx context.Context) (next time.Duration, err error) {
	if err := l.settleDoubt(ctx); err != nil {
		return 0, err
	}
	l.follow()
	l.drain()
	l.admitFollowers()
	change, wait := l.due(time.Now())
	if change == nil {
		return wait, nil
	}
	return 0, l.send(ctx, change)
}

// follow adjusts feeds and phase to Plan.
func (l *Leader) follow() {
	l.mu.Lock()
	l.feedAll(l.place.followers())
	p, resign := l.phase, l.place.resigned()
	l.mu.Unlock()
	switch {
	case resign && p == serving:
		l.become(resigning)
	case !resign && (p == resigning || p == resigned):
		l.become(joining) // the same leader in the same term: nobody else was named
	}
}

// drain ends a resignation when nothing is under way any more.
func (l *Leader) drain() {
	l.mu.Lock()
	done := l.phase == resigning && len(l.waiting) == 0 && l.committed >= l.shard.Seq()
	l.mu.Unlock()
	if done {
		l.become(resigned)
	}
}

// admitFollowers requires the followers that keep up and are not in sync yet: from
// now on nothing is committed without them. They may be reported as in sync when they
// have what may have been committed without them.
func (l *Leader) admitFollowers() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase == recovering || l.phase == over || l.phase == resigned {
		return
	}
	tip := l.shard.Seq()
	for _, id := range l.place.followers() {
		if f := l.feeds[id]; f != nil && !f.required && !f.copying && f.reboot != 0 && f.acked+nearly >= tip && f.silent(time.Now()) < l.server.Timing.Silent {
			f.required = true
			f.needs = l.shard.Alone(l.tenure, false) // after required is set: what is numbered later waits for it
		}
	}
}

// nearly is how many records a follower may be behind to be waited for.
const nearly = 1000

// change is a report to be written.
type change struct {
	report  keys.CurrentShardReport
	members []string // followers in it
	phase   phase    // when it is written
}

// due says what is to be reported; nil and how long there is nothing, unless poked.
func (l *Leader) due(now time.Time) (*change, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase == over || l.phase == recovering {
		return nil, never
	}
	c := &change{phase: l.phase}
	var late bool
	c.members, late = l.decide(now)
	if l.phase == joining {
		if l.server.Lease() != nil {
			return nil, l.server.Timing.Linger
		}
		if rest := l.server.Timing.Join - now.Sub(l.since); late && rest > 0 {
			return nil, min(rest, l.server.Timing.Linger)
		}
		c.phase = serving
	}
	c.report = l.reportOf(c.members)
	if l.phase != joining && equalReports(c.report, l.current) && !l.waitsInVain(now) {
		return nil, l.server.Timing.KeepAlive
	}
	return c, 0
}

// decide says which followers are in sync now, in Plan's order. late: one that
// lives is not yet. mu is held.
func (l *Leader) decide(now time.Time) (members []string, late bool) {
	tip := l.shard.Seq()
	root := l.server.Cache.Snapshot().Root
	for _, id := range l.place.followers() {
		f := l.feeds[id]
		if f == nil {
			continue
		}
		in := f.required && !f.copying && f.reboot != 0 && f.silent(now) < l.server.Timing.Silent
		switch {
		case l.phase == joining: // nothing is numbered meanwhile
			in = in && f.acked >= tip
		case f.reported == 0:
			in = in && (f.acked >= f.needs || failpoint.Off("member-has-all"))
		case f.reported != 0 && f.reboot == 0 && !f.copying: // not heard yet in this tenure
			in = f.silent(now) < l.server.Timing.Silent
		}
		if in {
			members = append(members, id)
		} else if !hasFailed(root, id) {
			late = true
		}
	}
	return members, late
}

// waitsInVain says that a follower that was never reported is required, and gone. A
// report without it, though it is the one that stands there, lets go of it: no earlier
// one that takes it in can be written after that. mu is held.
func (l *Leader) waitsInVain(now time.Time) bool {
	for id, f := range l.feeds {
		gone := f.copying || f.silent(now) >= l.server.Timing.Silent || !slices.Contains(l.place.followers(), id)
		if f.required && f.reported == 0 && gone {
			return true
		}
	}
	return false
}

// reportOf makes a report. A member that was started anew keeps its old reboot id
// until it has been caught up. mu is held.
func (l *Leader) reportOf(members []string) keys.CurrentShardReport {
	me := l.server.ID
	if l.phase == resigned {
		me = keys.Resigned + me
	}
	r := keys.CurrentShardReport{
		Indexes: l.place.Indexes, Servers: append([]string{me}, members...), Term: l.tenure.Term,
		Reboots: map[string]uint64{l.server.ID: l.tenure.Reboot},
	}
	r.FailoverCandidates = r.Servers
	if r.Indexes == nil {
		r.Indexes = []keys.Index{}
	}
	for _, id := range members {
		f := l.feeds[id]
		r.Reboots[id] = f.reported
		if f.reboot != f.reported && f.reboot != 0 && (f.acked >= max(f.needs, l.committing) || failpoint.Off("trust-after-catch-up")) {
			r.Reboots[id] = f.reboot
		}
	}
	return r
}

func equalReports(a, b keys.CurrentShardReport) bool {
	sameIndex := func(a, b keys.Index) bool { return a.ID == b.ID && slices.Equal(a.Fields, b.Fields) }
	return a.Error == b.Error && a.Term == b.Term && slices.Equal(a.Servers, b.Servers) && maps.Equal(a.Reboots, b.Reboots) &&
		slices.EqualFunc(a.Indexes, b.Indexes, sameIndex)
}

// send writes a report, and draws the consequences when it is known to be written.
func (l *Leader) send(ctx context.Context, c *change) error {
	ctx, cancel := context.WithTimeout(ctx, l.server.Timing.Agency)
	defer cancel()
	snap, err := l.server.Cache.Wait(ctx, func(s agencyclient.Snapshot) bool { return s.Index >= l.written })
	if err != nil {
		return err
	}
	at, err := l.see(snap.Root)
	if err != nil {
		return err
	}
	c.report.Version = at.report.Version + 1
	index, err := l.server.Agency.Write(ctx, l.transaction(at, c))
	switch {
	case errors.Is(err, agencyclient.ErrPrecondition):
		l.doubt = true // Plan or Current are not what the cache says: look
		return nil
	case errors.Is(err, agencyclient.ErrUnavailable):
		return err
	case err != nil:
		l.doubt = true
		return err
	}
	l.written = index
	return l.took(ctx, c)
}

// transaction replaces the report, if everything is as it was seen.
func (l *Leader) transaction(at situation, c *change) agencyclient.Tx {
	l.mu.Lock()
	p := l.place
	l.mu.Unlock()
	tx := agencyclient.Tx{
		Ops: map[string]any{p.currentKey(): agencyclient.Set(c.report), keys.CurrentVersion: agencyclient.Increment(1)},
		Pre: map[string]any{
			p.currentKey():                              agencyclient.Exactly(at.node),
			p.planKey() + "/shards/" + p.Shard:          agencyclient.Old(p.Servers),
			p.planKey() + "/shardTerms/" + p.Shard:      agencyclient.Old(p.Term),
			keys.RestoreEpoch:                           agencyclient.Exactly(at.root.At(keys.RestoreEpoch)),
			keys.ServerKnown(l.server.ID) + "/rebootId": agencyclient.Old(l.tenure.Reboot),
		},
	}
	if failpoint.Off("report-requires-report") {
		delete(tx.Pre, p.currentKey())
	}
	if failpoint.Off("report-requires-reboot") {
		delete(tx.Pre, keys.ServerKnown(l.server.ID)+"/rebootId")
	}
	if failpoint.Off("report-requires-term") {
		delete(tx.Pre, p.planKey()+"/shardTerms/"+p.Shard)
	}
	return tx
}

// took is called when a report is written: only now somebody who is not in it is no
// longer required.
func (l *Leader) took(ctx context.Context, c *change) error {
	l.mu.Lock()
	first := l.phase == joining && c.phase == serving
	left, joined := l.note(c.report)
	if len(c.members) == 0 && len(l.place.followers()) == 0 {
		defer l.shard.Alone(l.tenure, true)
	}
	tip := l.committed
	if first { // whoever is in the report has all of this log, and no other log counts any more
		tip = l.shard.Seq()
	}
	l.mu.Unlock()
	if first && tip > l.committed {
		leave, err := func() {}, error(nil)
		if !failpoint.Off("recovered-in-gate") {
			leave, err = l.server.Enter(ctx) // records become visible that nobody may have been told of
		}
		if err != nil {
			l.doubt = true // again from what is written
			return err
		}
		l.commit(tip)
		leave()
	}
	l.become(c.phase)
	l.advance()
	switch {
	case first:
		l.emit(LeadershipTaken, l.server.ID, fmt.Sprintf("term %d, in sync: %s", l.tenure.Term, strings.Join(c.report.Servers, ", ")))
	case c.phase == resigned:
		l.emit(LeadershipResigned, l.server.ID, "")
	}
	for _, id := range joined {
		l.emit(FollowerJoined, id, "")
	}
	for _, id := range left {
		l.emit(FollowerLeft, id, "")
	}
	return nil
}

// note takes over a report that stands in Current. mu is held.
func (l *Leader) note(r keys.CurrentShardReport) (left, joined []string) {
	l.current = r
	for id, f := range l.feeds {
		in := slices.Contains(r.Servers, id)
		if in && f.reported == 0 {
			joined = append(joined, id)
		}
		if !in && f.reported != 0 {
			left = append(left, id)
		}
		f.required = in
		if f.reported = 0; in {
			f.reported = r.Reboots[id]
		}
	}
	return left, joined
}

// settleDoubt finds out what stands in Current when that is not known. Whoever is in it
// is required; who is not stays as it was.
func (l *Leader) settleDoubt(ctx context.Context) error {
	if !l.doubt {
		return nil
	}
	at, err := l.look(ctx)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.doubt = false
	l.current = at.report
	for id, f := range l.feeds {
		if f.reported = 0; slices.Contains(at.report.Servers, id) {
			f.reported, f.required = at.report.Reboots[id], true
		}
	}
	return nil
}
