package transaction

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/shard"
	"stasis/dbserver/store"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// registry has the parts: who may use one, and how it ends.
type registry struct {
	limits Limits
	log    hclog.Logger

	mu    sync.Mutex // held for memory alone
	parts map[dbclient.TxnID]*part
	ended *memory
	bytes int64 // of all parts
}

// find gives a part that has not ended; [apierror.TxnGone] says why there is none. mu is held.
func (r *registry) find(s *store.Store, name dbclient.TxnPart) (*part, error) {
	p := r.parts[name.ID]
	switch {
	case p == nil:
		if why, known := r.ended.why(name.ID); known {
			return nil, gone(name.ID, why)
		}
		return nil, gone(name.ID, "it has never been here, or the server has started again since")
	case p.why != nil:
		return nil, p.why
	case p.token != name.Token && !failpoint.Off("part-has-its-token"):
		return nil, gone(name.ID, "the server has started again since it began")
	case p.store != s:
		return nil, gone(name.ID, "the data of the server has been opened again since it began")
	}
	return p, nil
}

// take gives a request the part for itself. give must be called after it.
func (r *registry) take(ctx context.Context, s *store.Store, name dbclient.TxnPart) (*part, error) {
	r.mu.Lock()
	p, err := r.find(s, name)
	r.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case <-p.turn:
	case <-p.life.Done():
		return nil, context.Cause(p.life)
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for another request of the transaction: %w", context.Cause(ctx))
	}
	r.mu.Lock()
	why := p.why
	if why == nil {
		p.kept = time.Now()
	}
	r.mu.Unlock()
	if why != nil {
		r.give(p)
		return nil, why
	}
	return p, nil
}

// give ends the turn of a request. If the part has ended meanwhile, what it has is released.
func (r *registry) give(p *part) {
	r.mu.Lock()
	over := p.why != nil
	if !over {
		p.turn <- struct{}{}
	}
	r.mu.Unlock()
	if over {
		r.release(p)
	}
}

// allow is asked before a part keeps n more bytes.
func (r *registry) allow(p *part, n int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case p.bytes+n > p.limit:
		return apierror.New(apierror.ResourceLimit, "transaction %s has written %d bytes, and may not write %d more: its limit is %d", p.id, p.bytes, n, p.limit)
	case r.bytes+n > r.limits.Bytes:
		return apierror.New(apierror.ResourceLimit, "transactions that are open have written %d bytes on this server, and %d more are too many: its limit is %d", r.bytes, n, r.limits.Bytes)
	}
	p.bytes += n
	r.bytes += n
	return nil
}

// end ends a part: no request is let in to it any more, and waits of those at work end. mu is held. The caller calls what it
// returns when it does not hold mu any more: it releases what the part has, if that can be now.
func (r *registry) end(p *part, why string) (release func()) {
	if p.why == nil {
		p.why = gone(p.id, why)
		r.ended.add(p.id, why)
		p.kill(p.why)
	}
	select {
	case <-p.turn:
		return func() { r.release(p) }
	default:
		return func() {} // who has the turn does it, or it has been done
	}
}

// release releases everything that a part has that has ended, unless a shard of it is prepared. The caller has the turn, and
// gives it back by this.
func (r *registry) release(p *part) {
	r.mu.Lock()
	if p.bound() {
		p.turn <- struct{}{}
		r.mu.Unlock()
		return
	}
	delete(r.parts, p.id)
	r.bytes -= p.bytes
	inside := p.places
	p.places = places{}
	r.mu.Unlock()
	defer close(p.over)
	r.log.Debug("a part of a transaction has ended", "transaction", p.id, "coordinator", p.coordinator, "why", p.why)
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

// endNow ends a part whose turn the caller has, and returns the error that says so.
func (r *registry) endNow(p *part, why string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.end(p, why) // the caller has the turn: it releases it
	return p.why
}

// void ends a part of which a shard has lost what it had, and says so.
func (r *registry) void(p *part, name string, err error) error {
	if errors.Is(err, shard.ErrPartGone) {
		return r.endNow(p, moved(name))
	}
	return err
}

// because is why a request fails, or that the part has ended meanwhile: then what it has got means nothing.
func (r *registry) because(ctx context.Context, p *part, err error) error {
	r.mu.Lock()
	why := p.why
	r.mu.Unlock()
	if why != nil {
		return why
	}
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.Canceled) {
		err = cause
	}
	var known *apierror.Error
	if !errors.As(err, &known) && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return apierror.New(apierror.Cancelled, "%w", err)
	}
	return err
}

// step begins a step of the commit on a shard that the part has written on: from now on the part is not given up before
// the step has an outcome. done: the step was done before. The caller has the turn.
func (r *registry) step(p *part, name string, inside, decide bool) (st *stake, done bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st = p.stakes[name]
	switch {
	case p.why != nil:
		return nil, false, p.why
	case st == nil || st.phase == open && !st.part.Wrote():
		return nil, false, apierror.New(apierror.BadParameter, "transaction %s has written nothing on shard %s", p.id, name)
	case st.phase == prepared && !decide, st.decided && decide:
		return st, true, nil
	case st.phase != open:
		return nil, false, apierror.New(apierror.TransactionDisallowed, "transaction %s is being committed on shard %s in another way", p.id, name)
	case inside && p.places.committing == nil && !failpoint.Off("prepare-in-gate"):
		return nil, false, apierror.New(apierror.PreconditionFailed, "transaction %s has not passed the gate of this server as committing", p.id)
	}
	if st.phase = preparing; decide {
		st.deciding = make(chan struct{})
	}
	return st, false, nil
}

// decided notes the outcome of a decision.
func (r *registry) decided(p *part, st *stake, err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(st.deciding)
	st.deciding = nil
	switch {
	case err == nil:
		st.phase, st.decided = settled, true
		if p.done() {
			_ = r.end(p, committed) // give releases it
		}
	case errors.Is(err, apierror.ConnectionLost):
		st.phase = settled
		_ = r.end(p, "the outcome of its commit is unknown")
	case st.lost:
		st.phase = settled
	default:
		st.phase = open
	}
	return err
}

// phaseOf is how far a stake has come.
func (r *registry) phaseOf(st *stake) phase {
	r.mu.Lock()
	defer r.mu.Unlock()
	return st.phase
}
