package transaction

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/shard"
	"stasis/dbserver/store"
	"stasis/internal/apierror"
)

// end ends a part: no request is let in to it any more, and waits of those at work end. mu is held. The caller calls what it
// returns when it does not hold mu any more: it releases what the part has, if that can be now.
func (l *Ledger) end(p *part, why string) (release func()) {
	if p.why == nil {
		p.why = gone(p.id, why)
		l.ended.add(p.id, why)
		p.kill(p.why)
		l.Logger.Debug("a part of a transaction ends", "transaction", p.id, "coordinator", p.coordinator, "why", why)
	}
	select {
	case <-p.turn:
		return func() { l.release(p) }
	default:
		return func() {} // who has the turn does it, or it has been done
	}
}

// release releases everything that a part has that has ended, unless a shard of it is prepared. The caller has the turn, and
// gives it back by this.
func (l *Ledger) release(p *part) {
	l.mu.Lock()
	if p.bound() {
		p.turn <- struct{}{}
		l.mu.Unlock()
		return
	}
	delete(l.parts, p.id)
	l.bytes -= p.bytes
	inside := p.places
	p.places = places{}
	l.mu.Unlock()
	defer close(p.over)
	for _, st := range p.stakes { // who ends a part has its turn, and with it the map
		st.part.End()
	}
	p.store.Release(p.owner)
	for _, leave := range []func(){inside.committing, inside.open} {
		if leave != nil {
			leave()
		}
	}
}

// End ends a part for its coordinator. With Commit the part must not have written anything, and must have had its locks until now:
// otherwise the error is [apierror.TxnGone]. Without, a part that is not here is no error.
func (l *Ledger) End(ctx context.Context, s *store.Store, q dbclient.TxnEndRequest) error {
	if q.Commit {
		return l.endRead(ctx, s, q)
	}
	l.mu.Lock()
	p := l.parts[q.ID]
	if p == nil || p.token != q.Token {
		l.ended.add(q.ID, reasonOf(q))
		l.mu.Unlock()
		return nil
	}
	if decided := p.decides(); decided != "" {
		l.mu.Unlock()
		return apierror.New(apierror.TransactionDisallowed, "transaction %s is being committed by shard %s", q.ID, decided)
	}
	release := l.end(p, reasonOf(q))
	l.mu.Unlock()
	release()
	return l.abandonPrepared(ctx, s, p)
}

// decides names the shard on which this part decides the transaction, or has decided it. The ledger's mutex is held.
func (p *part) decides() string {
	for name, st := range p.stakes {
		if st.deciding != nil || st.decided {
			return name
		}
	}
	return ""
}

func reasonOf(q dbclient.TxnEndRequest) string {
	if q.Reason == "" {
		return "its coordinator has ended it"
	}
	return q.Reason
}

// abandonPrepared resolves what a part has prepared as aborted. What is on its way is waited for.
func (l *Ledger) abandonPrepared(ctx context.Context, s *store.Store, p *part) error {
	select {
	case <-p.turn:
	case <-p.over:
		return nil
	case <-ctx.Done(): // it is prepared, perhaps: then it asks its home
		return fmt.Errorf("wait for what transaction %s does: %w", p.id, context.Cause(ctx))
	}
	l.mu.Lock()
	names := p.in(prepared)
	l.mu.Unlock()
	l.release(p)
	for _, name := range names {
		if err := l.resolve(s, name, p.id, false); err != nil {
			return err
		}
	}
	return nil
}

// in are the shards of a part that are in a phase. The ledger's mutex is held.
func (p *part) in(ph phase) (names []string) {
	for name, st := range p.stakes {
		if st.phase == ph {
			names = append(names, name)
		}
	}
	return names
}

// endRead ends a part that has only read.
func (l *Ledger) endRead(ctx context.Context, s *store.Store, q dbclient.TxnEndRequest) error {
	p, err := l.take(ctx, s, q.TxnPart)
	if err != nil {
		return err
	}
	defer l.give(p)
	for name, st := range p.stakes {
		if st.part.Wrote() {
			return apierror.New(apierror.BadParameter, "transaction %s has written on shard %s: it is committed by its home shard", p.id, name)
		}
		if on, err := s.Led(name); err != nil || on.Leader.Tenure() != st.tenure {
			return l.endNow(p, moved(name))
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.why != nil {
		return p.why
	}
	_ = l.end(p, "it is committed") // give releases it
	return nil
}

func moved(shard string) string {
	return fmt.Sprintf("the leadership of shard %s that it had begun with is over", shard)
}

// endNow ends a part whose turn the caller has, and returns the error that says so.
func (l *Ledger) endNow(p *part, why string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.end(p, why) // the caller has the turn: it releases it
	return p.why
}

// AbortOpen ends the parts that hold the gate as open and are not about to commit: a backup with force asks for it.
func (l *Ledger) AbortOpen(q dbclient.TxnAbortRequest) dbclient.TxnAbortResponse {
	var answer dbclient.TxnAbortResponse
	var releases []func()
	l.mu.Lock()
	for _, p := range l.parts {
		if p.why != nil || p.places.open == nil || p.places.committing != nil || p.bound() || p.decides() != "" {
			continue
		}
		answer.Aborted = append(answer.Aborted, dbclient.TxnAborted{ID: p.id, Coordinator: p.coordinator, Age: time.Since(p.begun).Seconds()})
		releases = append(releases, l.end(p, fmt.Sprintf("backup %s has aborted it, with force", q.Backup)))
	}
	l.mu.Unlock()
	for _, release := range releases {
		release()
	}
	slices.SortFunc(answer.Aborted, func(a, b dbclient.TxnAborted) int { return cmp.Compare(a.ID, b.ID) })
	return answer
}

// Ended ends the parts that have begun in a leadership that is over, or lets go of the shard if they are bound by others.
func (l *Ledger) Ended(name string, tenure shard.Tenure) {
	var releases []func()
	l.mu.Lock()
	if in := l.inherited[name]; in != nil && in.tenure == tenure {
		delete(l.inherited, name)
		releases = append(releases, in.leave)
	}
	for _, p := range l.parts {
		st := p.stakes[name]
		if st == nil || st.tenure != tenure {
			continue
		}
		if st.lost = true; st.phase == prepared {
			st.phase = settled
		}
		releases = append(releases, l.end(p, moved(name)))
	}
	l.mu.Unlock()
	for _, release := range releases {
		release()
	}
}

// silent ends the parts of coordinators that do not say any more that they live.
func (l *Ledger) silent() {
	var releases []func()
	l.mu.Lock()
	l.ended.trim()
	for _, p := range l.parts {
		if p.why == nil && !p.bound() && time.Since(p.kept) >= l.Timing.Silence {
			releases = append(releases, l.end(p, fmt.Sprintf("coordinator %s has not said for %s that it lives", p.coordinator, l.Timing.Silence)))
		}
	}
	l.mu.Unlock()
	for _, release := range releases {
		release()
	}
}
