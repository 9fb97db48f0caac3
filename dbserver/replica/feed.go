package replica

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/shard"
	"stasis/internal/failpoint"
)

const (
	maxBatchBytes = 4 << 20 // of records or documents in one request to a follower
	firstPause    = 20 * time.Millisecond
)

// feed brings one follower what this leader's log has. Its goroutine is the only one
// that speaks to the follower; the fields below are under the leader's mu.
type feed struct {
	leader *Leader
	id     string
	wake   chan struct{}
	cancel context.CancelFunc

	required bool      // nothing is committed that it does not have
	needs    uint64    // what may have been committed without it: to be had before it is reported
	copying  bool      // only a copy helps it
	reported uint64    // reboot id with which Current has it as in sync; 0: it has not
	reboot   uint64    // of the process that answered last
	acked    uint64    // its log has everything up to here
	synced   uint64    // on its disk is everything up to here
	told     uint64    // it knows that everything up to here is committed
	asked    time.Time // since when an answer is waited for; zero: the last one has come
}

// feedAll starts feeds for servers that have none and stops the others. mu is held.
func (l *Leader) feedAll(servers []string) {
	wanted := map[string]bool{}
	for _, id := range servers {
		wanted[id] = true
		if l.feeds[id] != nil || l.ctx.Err() != nil {
			continue
		}
		ctx, cancel := context.WithCancel(l.ctx)
		f := &feed{leader: l, id: id, wake: make(chan struct{}, 1), cancel: cancel, asked: time.Now()}
		l.feeds[id] = f
		l.group.Go(func() { f.run(ctx) })
	}
	for id, f := range l.feeds {
		if !wanted[id] && !f.required && f.reported == 0 {
			f.cancel()
			delete(l.feeds, id)
		}
	}
}

func (f *feed) poke() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// line is where a feed stands with its follower.
type line struct {
	known bool   // next is right
	next  uint64 // the first record that the follower lacks
	copy  bool   // only a copy helps
	pin   *shard.Pin
	sent  time.Time
}

// run feeds until ctx ends.
func (f *feed) run(ctx context.Context) {
	defer f.cancel()
	var at line
	defer func() { f.leader.shard.Unpin(at.pin) }()
	last, pause := "", firstPause
	for ctx.Err() == nil {
		err := f.step(ctx, &at)
		if err == nil {
			last, pause = "", firstPause
			continue
		}
		if errors.Is(err, shard.ErrOldTenure) {
			f.leader.end(fmt.Errorf("%s: %w", f.id, err))
			return
		}
		if ctx.Err() == nil && err.Error() != last {
			last = err.Error()
			f.leader.log.Debug("follower not reached", "server", f.id, "error", err)
		}
		at.known = false
		sleep(ctx, pause)
		pause = min(2*pause, f.leader.server.Timing.Retry)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// step finds out where the follower stands, or brings it a copy, or the next records.
func (f *feed) step(ctx context.Context, at *line) error {
	switch {
	case !at.known:
		return f.probe(ctx, at)
	case at.copy:
		return f.bringCopy(ctx, at)
	}
	return f.bringRecords(ctx, at)
}

// probe asks where the follower stands. What is committed there is committed here.
func (f *feed) probe(ctx context.Context, at *line) error {
	ctx, cancel := f.leader.call(ctx)
	defer cancel()
	f.asks()
	a, err := f.leader.promise(ctx, f.leader.server.Cache.Snapshot().Root, f.id)
	if err != nil {
		return err
	}
	if a.Refused != "" {
		return fmt.Errorf("%s: %w", a.Why, shard.ErrOldTenure)
	}
	f.answered(a)
	at.known, at.next = true, a.State.Committed+1
	f.needsCopy(at, a.State.Copying)
	return nil
}

// needsCopy notes whether only a copy helps the follower.
func (f *feed) needsCopy(at *line, copying bool) {
	at.copy = copying
	f.leader.mu.Lock()
	defer f.leader.mu.Unlock()
	if f.copying = copying; copying {
		f.acked, f.synced = 0, 0
		f.leader.poke()
	}
}

// asks notes that from now on an answer of the follower is waited for.
func (f *feed) asks() {
	f.leader.mu.Lock()
	defer f.leader.mu.Unlock()
	if f.asked.IsZero() {
		f.asked = time.Now()
	}
}

// answered notes that the follower lives.
func (f *feed) answered(a dbclient.ReplicaAnswer) {
	l := f.leader
	l.mu.Lock()
	defer l.mu.Unlock()
	f.asked = time.Time{}
	if f.reboot != a.RebootID { // what an earlier process had may be lost
		f.reboot = a.RebootID
		if !failpoint.Off("restarted-has-less") {
			f.acked, f.synced, f.told = 0, 0, 0
		}
	}
}

// bringRecords sends what the follower lacks, or waits until there is something.
func (f *feed) bringRecords(ctx context.Context, at *line) error {
	l := f.leader
	prev, records, ok, err := l.shard.Log(at.next, l.batch)
	if err != nil {
		return err
	}
	if !ok {
		f.needsCopy(at, true)
		return nil
	}
	l.mu.Lock()
	commit, until := l.committed, l.wantsSync()
	idle, told, synced := len(records) == 0 && until <= f.synced, f.told, f.synced
	l.mu.Unlock()
	if wait := f.patience(at, commit > told); idle && wait > 0 {
		f.wait(ctx, wait)
		return ctx.Err()
	}
	req := dbclient.AcceptRequest{
		Tenure: tenureOf(l.tenure), Prev: positionOf(prev), Records: encodeRecords(records), Commit: commit, Sync: until > synced,
	}
	limited, cancel := l.call(ctx)
	defer cancel()
	f.asks()
	t, err := l.target(l.server.Cache.Snapshot().Root, f.id)
	if err != nil {
		return err
	}
	at.sent = time.Now()
	a, err := l.server.Peers.Accept(limited, t, l.shard.Name(), req)
	if err == nil {
		err = failpoint.Hit(ctx, "dbserver/replica/accepted", l.server.ID)
	}
	if err != nil {
		return err
	}
	f.answered(a)
	switch a.Refused {
	case dbclient.RefusedOld:
		return fmt.Errorf("%s: %w", a.Why, shard.ErrOldTenure)
	case dbclient.RefusedGap:
		at.known = false
		if a.State.Committed == prev.Seq { // there another record is committed under that number
			at.known = true
			f.needsCopy(at, true)
		}
		return nil
	}
	at.next = prev.Seq + uint64(len(records)) + 1
	f.has(at.next-1, req)
	l.shard.Unpin(at.pin)
	l.advance()
	l.poke()
	return nil
}

// patience is how long the next request may wait when there is nothing to append.
func (f *feed) patience(at *line, news bool) time.Duration {
	t := f.leader.server.Timing
	rest := t.KeepAlive - time.Since(at.sent)
	if news {
		rest = min(rest, t.Linger-time.Since(at.sent))
	}
	return rest
}

// wait returns when there may be records, or after d.
func (f *feed) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-f.wake:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// has notes what an answer to a request says.
func (f *feed) has(seq uint64, r dbclient.AcceptRequest) {
	l := f.leader
	l.mu.Lock()
	defer l.mu.Unlock()
	f.acked = max(f.acked, seq)
	f.told = max(f.told, r.Commit)
	if r.Sync {
		f.synced = max(f.synced, seq)
	}
}

// silent is how long an answer of the follower has been waited for. A leader that asks
// nothing, because its own disk holds it up, has nothing to reproach its followers with: if
// it took them out of the in-sync set, none could lead in its place.
func (f *feed) silent(now time.Time) time.Duration {
	if f.asked.IsZero() {
		return 0
	}
	return now.Sub(f.asked)
}

// never is a time until nothing is due.
const never = time.Duration(math.MaxInt64)
