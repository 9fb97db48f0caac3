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
	"stasis/internal/failpoint"
)

// End ends a part for its coordinator. With Commit the part must not have written anything, and must have had its locks until now:
// otherwise the error is [apierror.TxnGone]. Without, a part that is not here is no error.
func (l *Ledger) End(ctx context.Context, s *store.Store, q dbclient.TxnEndRequest) error {
	if q.Commit {
		return l.endRead(ctx, s, q)
	}
	l.registry.mu.Lock()
	p := l.registry.parts[q.ID]
	if p == nil || p.token != q.Token {
		l.registry.ended.add(q.ID, reasonOf(q))
		l.registry.mu.Unlock()
		return nil
	}
	if decided := p.decides(); decided != "" {
		l.registry.mu.Unlock()
		return apierror.New(apierror.TransactionDisallowed, "transaction %s is being committed by shard %s", q.ID, decided)
	}
	release := l.registry.end(p, reasonOf(q))
	l.registry.mu.Unlock()
	release()
	return l.abandonPrepared(ctx, s, p)
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
	l.registry.mu.Lock()
	names := p.in(prepared)
	l.registry.mu.Unlock()
	l.registry.release(p)
	for _, name := range names {
		if err := l.resolve(s, name, p.id, false); err != nil {
			return err
		}
	}
	return nil
}

// endRead ends a part that has only read.
func (l *Ledger) endRead(ctx context.Context, s *store.Store, q dbclient.TxnEndRequest) error {
	p, err := l.registry.take(ctx, s, q.TxnPart)
	if err != nil {
		return err
	}
	defer l.registry.give(p)
	for name, st := range p.stakes {
		if st.part.Wrote() {
			return apierror.New(apierror.BadParameter, "transaction %s has written on shard %s: it is committed by its home shard", p.id, name)
		}
		if on, err := s.Led(name); err != nil || on.Leader.Tenure() != st.tenure {
			return l.registry.endNow(p, moved(name))
		}
	}
	l.registry.mu.Lock()
	defer l.registry.mu.Unlock()
	if p.why != nil {
		return p.why
	}
	_ = l.registry.end(p, "it is committed") // give releases it
	return nil
}

// AbortOpen ends the parts that hold the gate as open and are not about to commit: a backup with force asks for it.
func (l *Ledger) AbortOpen(q dbclient.TxnAbortRequest) dbclient.TxnAbortResponse {
	var answer dbclient.TxnAbortResponse
	var releases []func()
	l.registry.mu.Lock()
	for _, p := range l.registry.parts {
		if p.why != nil || p.places.open == nil || p.places.committing != nil || p.bound() || p.decides() != "" {
			continue
		}
		answer.Aborted = append(answer.Aborted, dbclient.TxnAborted{ID: p.id, Coordinator: p.coordinator, Age: time.Since(p.begun).Seconds()})
		releases = append(releases, l.registry.end(p, fmt.Sprintf("backup %s has aborted it, with force", q.Backup)))
	}
	l.registry.mu.Unlock()
	for _, release := range releases {
		release()
	}
	slices.SortFunc(answer.Aborted, func(a, b dbclient.TxnAborted) int { return cmp.Compare(a.ID, b.ID) })
	return answer
}

// Ended ends the parts that have begun in a leadership that is over, or lets go of the shard if they are bound by others.
func (l *Ledger) Ended(name string, tenure shard.Tenure) {
	l.inherited.over(name, tenure)
	if failpoint.Off("parts-end-with-leadership") {
		return
	}
	var releases []func()
	l.registry.mu.Lock()
	for _, p := range l.registry.parts {
		st := p.stakes[name]
		if st == nil || st.tenure != tenure {
			continue
		}
		if st.lost = true; st.phase == prepared {
			st.phase = settled
		}
		releases = append(releases, l.registry.end(p, moved(name)))
	}
	l.registry.mu.Unlock()
	for _, release := range releases {
		release()
	}
}

// silent ends the parts of coordinators that do not say any more that they live.
func (l *Ledger) silent() {
	var releases []func()
	l.registry.mu.Lock()
	l.registry.ended.trim()
	for _, p := range l.registry.parts {
		if p.why == nil && !p.bound() && !failpoint.Off("silent-parts-end") && time.Since(p.kept) >= l.Timing.Silence {
			releases = append(releases, l.registry.end(p, fmt.Sprintf("coordinator %s has not said for %s that it lives", p.coordinator, l.Timing.Silence)))
		}
	}
	l.registry.mu.Unlock()
	for _, release := range releases {
		release()
	}
}
