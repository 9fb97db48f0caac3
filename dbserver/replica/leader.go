package replica

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"stasis/agency/keys"
	"stasis/dbserver/shard"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// phase is how far a tenure has come.
type phase int

const (
	recovering phase = iota
	joining
	serving
	resigning
	resigned
	over // replaced, or the disk has failed
)

// Leader leads one shard for one tenure. Its methods may be used from any goroutine.
type Leader struct {
	server Server
	shard  *shard.Shard
	apply  func(seq uint64) (committed uint64, err error) // shard.Commit
	batch  int                                            // bytes of records or documents in one request to a follower, about
	tenure shard.Tenure
	log    hclog.Logger

	ctx   context.Context
	stop  context.CancelCauseFunc
	group sync.WaitGroup
	poked chan struct{} // something for the goroutine in run to look at

	// Of the goroutine in run.
	doubt   bool   // a report may or may not have been written
	written uint64 // index of the last report written

	mu         sync.Mutex
	place      Place
	phase      phase
	why        error                   // over: the reason
	since      time.Time               // of the phase
	current    keys.CurrentShardReport // that Current has, as far as is known
	committed  uint64
	committing uint64 // decided to be committed, not less than committed
	copies     uint64 // begun in this tenure
	feeds      map[string]*feed
	waiting    []*waiter
}

// waiter is a call of Await.
type waiter struct {
	seq  uint64
	sync bool
	done chan error
}

// errStopped ends waits when the server stops leading.
var errStopped = errors.New("this server stopped leading the shard")

// Lead begins a tenure and returns at once; Close ends it.
func Lead(server Server, s *shard.Shard, place Place) *Leader {
	l := newLeader(server, s, place)
	l.start()
	return l
}

func newLeader(server Server, s *shard.Shard, place Place) *Leader {
	l := &Leader{
		server: server, shard: s, apply: s.Commit, batch: maxBatchBytes, tenure: shard.Tenure{Term: place.Term, Reboot: server.Reboot()},
		log: server.Logger.With("shard", place.Shard), poked: make(chan struct{}, 1),
		place: place, since: time.Now(), feeds: map[string]*feed{},
	}
	l.ctx, l.stop = context.WithCancelCause(context.Background())
	return l
}

func (l *Leader) start() { l.group.Go(func() { l.run(l.ctx) }) }

// Tenure is the one that this is.
func (l *Leader) Tenure() shard.Tenure { return l.tenure }

// Over says that this tenure has ended, though Plan may not say so yet.
func (l *Leader) Over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.phase == over
}

// Update tells what Plan says now; the term is the same.
func (l *Leader) Update(place Place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.place.same(place) {
		l.place = place
		l.poke()
	}
}

// Close ends the tenure: nothing is admitted any more, waits end with an unknown
// outcome, and no goroutine is left.
func (l *Leader) Close() {
	l.end(errStopped)
	l.stop(errStopped)
	l.group.Wait()
}

// end is for a leadership that is over. The first reason counts.
func (l *Leader) end(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase == over {
		return
	}
	l.phase, l.why = over, why
	for _, w := range l.waiting {
		w.done <- why
	}
	l.waiting = nil
	l.shard.Follow(l.tenure)
}

// become changes the phase, unless it is all over.
func (l *Leader) become(p phase) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase != over && l.phase != p {
		l.phase, l.since = p, time.Now()
	}
}

func (l *Leader) poke() {
	select {
	case l.poked <- struct{}{}:
	default:
	}
}

// Serving is nil while operations may be answered: this tenure is reported, Plan
// wants it, and the server has its lease. Ask before an operation, and after one that
// read whether what it saw was still this server's to show.
func (l *Leader) Serving() error {
	l.mu.Lock()
	p := l.phase
	l.mu.Unlock()
	switch p {
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
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := 1 + l.inSync(); n < l.place.WriteConcern && !failpoint.Off("write-concern") {
		return apierror.New(apierror.ReadOnly, "shard %s has %d replicas in sync, fewer than its write concern of %d", l.shard.Name(), n, l.place.WriteConcern)
	}
	return nil
}

// inSync counts the followers that Current has as in sync.
func (l *Leader) inSync() int {
	n := 0
	for _, f := range l.feeds {
		if f.reported != 0 {
			n++
		}
	}
	return n
}

// Await is shard.Quorum's.
func (l *Leader) Await(ctx context.Context, seq uint64, sync bool) error {
	w := &waiter{seq: seq, sync: sync, done: make(chan error, 1)}
	if err := l.enlist(w); err != nil {
		return err
	}
	l.advance()
	var err error
	if sync { // while the followers do theirs
		err = l.server.Sync()
	}
	select {
	case done := <-w.done:
		return errors.Join(err, done)
	case <-ctx.Done():
		return errors.Join(err, fmt.Errorf("wait for the followers: %w", context.Cause(ctx)))
	}
}

func (l *Leader) enlist(w *waiter) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase == over {
		return l.why
	}
	l.waiting = append(l.waiting, w)
	for _, f := range l.feeds {
		f.poke()
	}
	return nil
}

// advance commits what all required replicas have, and answers who waited for it.
func (l *Leader) advance() {
	l.mu.Lock()
	reached, synced := l.reached() // who is required later has nothing of this to wait for
	behind := (l.phase > joining || failpoint.Off("commit-after-report")) && l.phase != over && reached > l.committed
	if behind {
		l.committing = max(l.committing, reached)
	}
	l.mu.Unlock()
	if behind {
		l.commit(reached)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.waiting[:0]
	for _, w := range l.waiting {
		if w.seq <= l.committed && (!w.sync || w.seq <= synced) {
			w.done <- nil
		} else {
			kept = append(kept, w)
		}
	}
	clear(l.waiting[len(kept):])
	l.waiting = kept
}

// commit applies the records up to seq.
func (l *Leader) commit(seq uint64) {
	n, err := l.apply(seq)
	if err != nil {
		l.log.Error("cannot commit", "error", err)
		l.end(err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.committed = max(l.committed, n)
	l.committing = max(l.committing, n)
}

// reached is how far all required followers have come, in their logs and on disk.
func (l *Leader) reached() (logged, synced uint64) {
	logged, synced = l.shard.Seq(), math.MaxUint64
	for _, f := range l.feeds {
		if f.required {
			logged, synced = min(logged, f.acked), min(synced, f.synced)
		}
	}
	return logged, synced
}

// wantsSync says up to where somebody waits for disks.
func (l *Leader) wantsSync() (seq uint64) {
	for _, w := range l.waiting {
		if w.sync {
			seq = max(seq, w.seq)
		}
	}
	return seq
}

// run takes the tenure through its phases.
func (l *Leader) run(ctx context.Context) {
	if err := l.insist(ctx, "taking over", l.recover); err != nil {
		return
	}
	for ctx.Err() == nil {
		next, err := l.round(ctx)
		if err != nil && ctx.Err() == nil {
			if errors.Is(err, errReplaced) {
				l.end(err)
				return
			}
			l.log.Warn("reporting to Current", "error", err)
			next = l.server.Timing.Retry
		}
		timer := time.NewTimer(next)
		select {
		case <-l.poked:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// insist tries until it works. What is wrong is logged when it changes.
func (l *Leader) insist(ctx context.Context, what string, f func(context.Context) error) error {
	last, pause := "", 20*time.Millisecond
	for {
		err := f(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errReplaced), errors.Is(err, shard.ErrOldTenure):
			l.log.Info("leading no more", "reason", err)
			l.end(err)
			return err
		case err.Error() != last && pause > 100*time.Millisecond:
			last = err.Error()
			l.log.Warn(what, "error", err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-l.poked:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		pause = min(2*pause, l.server.Timing.Retry)
	}
}

func (l *Leader) emit(name event.Name, server, detail string) {
	e := event.Event{Operation: Operation, ID: l.shard.Name(), Step: name, Server: server, Detail: detail}
	l.log.Info(string(name), "server", server, "detail", detail, "tenure", l.tenure)
	l.server.Steps.Emit(l.ctx, e)
}
