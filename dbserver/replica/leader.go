package replica

import (
	"context"
	"errors"
	"sync"
	"time"

	"stasis/dbserver/shard"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// errStopped ends waits when the server stops leading.
var errStopped = errors.New("this server stopped leading the shard")

// Leader leads one shard for one tenure. Its methods may be used from any goroutine.
type Leader struct {
	*base
	state   *state
	commits *committer
	feeds   *feeds
	inSync  *inSyncSet

	ctx   context.Context
	stop  context.CancelCauseFunc
	group sync.WaitGroup
}

// Lead begins a tenure and returns at once; Close ends it.
func Lead(server Server, s *shard.Shard, place Place) *Leader {
	l := newLeader(server, s, place)
	l.start()
	return l
}

func newLeader(server Server, s *shard.Shard, place Place) *Leader {
	b := &base{
		server: server, shard: s, tenure: shard.Tenure{Term: place.Term, Reboot: server.Reboot()},
		log: server.Logger.With("shard", place.Shard), batch: maxBatchBytes,
	}
	st := newState(place, func() { s.Follow(b.tenure) })
	commits := &committer{base: b, state: st, apply: s.Commit}
	l := &Leader{
		base: b, state: st, commits: commits,
		feeds:  &feeds{base: b, state: st, commits: commits},
		inSync: &inSyncSet{base: b, state: st, commits: commits, snapshots: snapshots{base: b, state: st}},
	}
	l.ctx, l.stop = context.WithCancelCause(context.Background())
	return l
}

func (l *Leader) start() {
	l.group.Go(func() {
		l.run(l.ctx)
		l.server.Ended(l.shard.Name(), l.tenure)
		if l.inSync.leads {
			l.emit(l.ctx, event.LeadershipLost, l.server.ID, l.state.reason())
		}
	})
}

// Tenure is the tenure that the Leader leads in.
func (l *Leader) Tenure() shard.Tenure { return l.tenure }

// Over says that the tenure has ended, though Plan may not say so yet.
func (l *Leader) Over() bool { return l.state.current() == over }

// Update tells what Plan says now; the term is the same.
func (l *Leader) Update(place Place) { l.state.plan(place) }

// Close ends the tenure: nothing is admitted any more, waits end with an unknown
// outcome, and no goroutine is left.
func (l *Leader) Close() {
	l.state.end(errStopped)
	l.stop(errStopped)
	l.group.Wait() // it starts the feeds, so they are waited for after it
	l.feeds.group.Wait()
}

// Serving is nil while operations may be answered: this tenure is reported, Plan wants it,
// and the server has its serving lease. Ask before an operation. After one that has read,
// ask again: another leader may have been named before it read.
func (l *Leader) Serving() error {
	switch l.state.current() {
	case serving:
		return l.server.Lease()
	case recovering, joining:
		return apierror.New(apierror.NoLeader, "shard %s: its leader is taking over", l.shard.Name())
	}
	return apierror.New(apierror.NotLeader, "this server no longer leads shard %s", l.shard.Name())
}

// Admit is Serving for writes: enough replicas must be in sync.
func (l *Leader) Admit() error {
	if err := l.Serving(); err != nil {
		return err
	}
	l.state.mu.Lock()
	defer l.state.mu.Unlock()
	if n := 1 + l.state.inSync(); n < l.state.place.WriteConcern && !failpoint.Off("write-concern") {
		return apierror.New(apierror.ReadOnly, "shard %s has %d replicas in sync, fewer than its write concern of %d", l.shard.Name(), n, l.state.place.WriteConcern)
	}
	return nil
}

// Await is [shard.Quorum]'s.
func (l *Leader) Await(ctx context.Context, seq uint64, sync bool) error {
	return l.commits.await(ctx, seq, sync)
}

// run takes the tenure through its phases.
func (l *Leader) run(ctx context.Context) {
	if !l.takeOver(ctx) {
		return
	}
	for ctx.Err() == nil {
		next, err := l.maintain(ctx)
		if err != nil && ctx.Err() == nil {
			if errors.Is(err, errReplaced) {
				l.state.end(err)
				return
			}
			l.log.Warn("reporting to Current", "error", err)
			next = l.server.Timing.Retry
		}
		l.awaitChange(ctx, next)
	}
}

// awaitChange returns when something has changed, after d, or when ctx ends.
func (l *Leader) awaitChange(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-l.state.changed:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// takeOver repeats the recovery until it succeeds. False: the tenure has ended. An error is
// logged when it changes; the first ones are not logged, since followers often learn of the
// tenure a moment later.
func (l *Leader) takeOver(ctx context.Context) bool {
	last, pause := "", firstPause
	for {
		err := l.recover(ctx)
		switch {
		case err == nil:
			return true
		case ctx.Err() != nil:
			return false
		case errors.Is(err, errReplaced), errors.Is(err, shard.ErrOldTenure):
			l.log.Info("leading no more", "reason", err)
			l.state.end(err)
			return false
		case err.Error() != last && pause > 100*time.Millisecond:
			last = err.Error()
			l.log.Warn("taking over", "error", err)
		}
		if l.awaitChange(ctx, pause); ctx.Err() != nil {
			return false
		}
		pause = min(2*pause, l.server.Timing.Retry)
	}
}

// recover does one attempt of the recovery, and begins to lead with the log that it leaves.
func (l *Leader) recover(ctx context.Context) error {
	at, members, err := recovery{base: l.base, state: l.state, snapshots: l.inSync.snapshots}.run(ctx)
	if err != nil {
		return err
	}
	if err := l.shard.Lead(l.tenure, l, len(members) == 0); err != nil {
		return err
	}
	st := l.shard.State()
	if ctx.Err() != nil { // Close waits for this goroutine: it must start no feeds any more
		return ctx.Err()
	}
	l.state.mu.Lock()
	l.state.committed, l.state.committing, l.state.report = st.Committed, st.Committed, at.report
	l.feeds.keep(l.ctx, members)
	for _, id := range members {
		if p := l.state.followers[id]; p != nil { // nil: closing
			p.required, p.reported = true, at.report.Reboots[id]
		}
	}
	l.state.mu.Unlock()
	l.state.become(joining)
	return nil
}

// maintain compares the followers and the phase with Plan once, and reports to Current what
// has changed. It returns when to do so again at the latest.
func (l *Leader) maintain(ctx context.Context) (next time.Duration, err error) {
	if err := l.inSync.resolveUnknown(ctx); err != nil {
		return 0, err
	}
	l.followPlan()
	l.inSync.requireCaughtUp()
	change, rest := l.inSync.due(time.Now())
	if change == nil {
		return rest, nil
	}
	return 0, l.inSync.write(ctx, change)
}

// followPlan adjusts feeds and phase to Plan.
func (l *Leader) followPlan() {
	l.state.mu.Lock()
	l.feeds.keep(l.ctx, l.state.place.followers())
	p, resign := l.state.phase, l.state.place.resigned()
	l.state.mu.Unlock()
	switch {
	case resign && p == serving:
		l.state.become(resigning)
	case !resign && (p == resigning || p == resigned):
		l.state.become(joining) // the same leader in the same term: no other was named meanwhile
	}
	l.finishResigning()
}

// finishResigning ends a resignation when no write is in flight any more.
func (l *Leader) finishResigning() {
	l.state.mu.Lock()
	done := l.state.phase == resigning && len(l.state.waiting) == 0 && l.state.committed >= l.shard.Seq()
	l.state.mu.Unlock()
	if done {
		l.state.become(resigned)
	}
}
