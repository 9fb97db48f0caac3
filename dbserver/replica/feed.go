package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/shard"
	"stasis/event"
	"stasis/internal/failpoint"
	"stasis/internal/wait"
)

// firstPause is the pause after the first failure of a feed; each further one doubles it.
const firstPause = 20 * time.Millisecond

// feeds keeps one feed for each follower.
type feeds struct {
	*base
	state   *state
	commits *committer
	copies  atomic.Uint64 // begun in this tenure
	group   sync.WaitGroup
}

// keep starts feeds for servers that have none, and stops those of other servers. A server
// that Current has as in sync, or that is required, keeps its feed although Plan does not
// have it any more: nothing is committed without it. Only the leader's goroutine calls keep.
// mu is held.
func (f *feeds) keep(ctx context.Context, servers []string) {
	wanted := map[string]bool{}
	for _, id := range servers {
		wanted[id] = true
		if f.state.followers[id] != nil || ctx.Err() != nil {
			continue
		}
		feeding, stop := context.WithCancel(ctx)
		p := &progress{wake: make(chan struct{}, 1), stop: stop, asked: time.Now()}
		f.state.followers[id] = p
		one := &feed{base: f.base, commits: f.commits, copies: &f.copies, follower: follower{id: id, state: f.state, progress: p}}
		f.group.Go(func() { one.run(feeding) })
	}
	for id, p := range f.state.followers {
		if !wanted[id] && !p.required && p.reported == 0 {
			p.stop()
			delete(f.state.followers, id)
		}
	}
}

// feed brings one follower what the leader's log has. Its goroutine is the only one that
// speaks to the follower after the recovery.
type feed struct {
	*base
	commits  *committer
	copies   *atomic.Uint64 // begun by all feeds
	follower follower

	// Of the goroutine in run.
	known bool       // next is right
	next  uint64     // the first record that the follower lacks
	copy  bool       // the follower needs a copy
	pin   *shard.Pin // keeps the log from the end of a copy on, until the follower has more
	sent  time.Time  // when the last records were sent
}

// run feeds until ctx ends.
func (f *feed) run(ctx context.Context) {
	defer f.follower.progress.stop()
	defer func() { f.shard.Unpin(f.pin) }()
	last, pause := "", firstPause
	for ctx.Err() == nil {
		err := f.step(ctx)
		if err == nil {
			last, pause = "", firstPause
			continue
		}
		if errors.Is(err, shard.ErrOldTenure) {
			f.follower.state.end(fmt.Errorf("%s: %w", f.follower.id, err))
			return
		}
		if ctx.Err() == nil && err.Error() != last {
			last = err.Error()
			f.log.Debug("follower not reached", "server", f.follower.id, "error", err)
		}
		// Whether the follower took what was sent is not known: ask where it stands.
		f.known = false
		if wait.For(ctx, pause) != nil {
			return
		}
		pause = min(2*pause, f.server.Timing.Retry)
	}
}

// step finds out where the follower stands, or brings it a copy, or the next records.
func (f *feed) step(ctx context.Context) error {
	switch {
	case !f.known:
		return f.probe(ctx)
	case f.copy:
		return f.bringCopy(ctx)
	}
	return f.bringRecords(ctx)
}

// probe asks where the follower stands. It continues from what the follower has committed:
// that is committed here, too. What the follower has beyond it may be of another leader.
func (f *feed) probe(ctx context.Context) error {
	ctx, cancel := f.call(ctx)
	defer cancel()
	f.follower.asks()
	a, err := f.promise(ctx, f.server.Cache.Snapshot().Root, f.follower.id)
	if err != nil {
		return err
	}
	if a.Refused != "" {
		return fmt.Errorf("%s: %w", a.Why, shard.ErrOldTenure)
	}
	f.follower.answered(a)
	f.known, f.next = true, a.State.Committed+1
	f.needsCopy(a.State.Copying)
	return nil
}

// needsCopy notes whether the follower needs a copy.
func (f *feed) needsCopy(copying bool) {
	f.copy = copying
	f.follower.needsCopy(copying)
}

// bringRecords sends what the follower lacks, or waits until there is something to send.
func (f *feed) bringRecords(ctx context.Context) error {
	prev, records, ok, err := f.shard.Log(f.next, f.batch)
	if err != nil {
		return err
	}
	if !ok {
		f.needsCopy(true)
		return nil
	}
	commit, until, told, synced := f.follower.position()
	// A request without records is due when a writer waits for the follower's disk, and else
	// only to say what is committed and to hear that the follower lives.
	idle := len(records) == 0 && until <= synced
	if rest := f.patience(commit > told); idle && rest > 0 {
		f.await(ctx, rest)
		return ctx.Err()
	}
	return f.send(ctx, prev, dbclient.AcceptRequest{
		Tenure: tenureOf(f.tenure), Prev: positionOf(prev), Records: encodeRecords(records), Commit: commit, Sync: until > synced,
	}, prev.Seq+uint64(len(records)))
}

// send sends records up to a number.
func (f *feed) send(ctx context.Context, prev shard.Position, req dbclient.AcceptRequest, upTo uint64) error {
	limited, cancel := f.call(ctx)
	defer cancel()
	f.follower.asks()
	t, err := f.target(f.server.Cache.Snapshot().Root, f.follower.id)
	if err != nil {
		return err
	}
	f.sent = time.Now()
	a, err := f.server.Peers.Accept(limited, t, f.shard.Name(), req)
	if err == nil {
		err = failpoint.Hit(ctx, "dbserver/replica/accepted", f.server.ID)
	}
	if err != nil {
		return err
	}
	f.follower.answered(a)
	switch a.Refused {
	case dbclient.RefusedOld:
		return fmt.Errorf("%s: %w", a.Why, shard.ErrOldTenure)
	case dbclient.RefusedGap:
		f.known = false                    // it lacks what comes before: ask where it stands
		if a.State.Committed == prev.Seq { // the follower has committed another record under that number
			f.known = true
			f.needsCopy(true)
		}
		return nil
	}
	f.next = upTo + 1
	f.follower.has(upTo, req)
	f.shard.Unpin(f.pin)
	f.commits.advance()
	f.follower.state.wake()
	return nil
}

// patience is how long the next request may wait when there is nothing to append. The news
// that a record is committed waits for company only for Timing.Linger.
func (f *feed) patience(news bool) time.Duration {
	t := f.server.Timing
	rest := t.KeepAlive - time.Since(f.sent)
	if news {
		rest = min(rest, t.Linger-time.Since(f.sent))
	}
	return rest
}

// await returns when there may be records, or after d.
func (f *feed) await(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-f.follower.progress.wake:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// bringCopy brings the follower a copy, and continues with the records after it.
//
// A copy replaces all that the follower has. While the follower is required it is in sync, or
// about to be: a report that says so may stand in Current although its outcome is unknown
// here. Then the supervision may choose the follower for what it has, so the copy waits.
func (f *feed) bringCopy(ctx context.Context) error {
	number := f.copies.Add(1)
	if f.follower.isRequired() && !failpoint.Off("copy-not-to-member") {
		f.await(ctx, f.server.Timing.Linger)
		return ctx.Err()
	}
	c := &copier{base: f.base, follower: f.follower, number: number}
	end, what, err := c.bring(ctx, &f.pin)
	if err != nil {
		return err
	}
	f.next = end + 1
	f.needsCopy(false)
	f.emit(ctx, event.FollowerCopied, f.follower.id, what) // a step may hold up this feed: the follower counts as copied by then
	return nil
}
