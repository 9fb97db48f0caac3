package backup

import (
	"context"
	"errors"
	"sync"
	"time"

	dbserver "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// holds are the requests by which one attempt holds the gates, one a server. Each sends
// beats from its beginning to its end, and hears the server answer them. The attempt is
// over when one of them ends: then the others have no reason to hold up their writers.
type holds struct {
	attempt uint64
	ctx     context.Context // of the requests
	cancel  context.CancelCauseFunc
	group   sync.WaitGroup
	alive   context.Context // ends, with the reason, when the first hold is lost
	lose    context.CancelCauseFunc
	each    map[string]*hold // by server; none is added once the gates are asked for
}

// hold is one of the requests.
type hold struct {
	member
	granted chan struct{}
	dead    context.Context // ends, with the reason, when the request has ended
	end     context.CancelCauseFunc
}

// errHoldsOver ends the requests of an attempt that is over.
var errHoldsOver = errors.New("the attempt is over")

func newHolds(ctx context.Context, attempt int, members []member) *holds {
	h := &holds{attempt: uint64(attempt), each: map[string]*hold{}}
	h.ctx, h.cancel = context.WithCancelCause(ctx)
	h.alive, h.lose = context.WithCancelCause(ctx)
	for _, m := range members {
		one := &hold{member: m, granted: make(chan struct{})}
		one.dead, one.end = context.WithCancelCause(context.WithoutCancel(ctx))
		h.each[m.id] = one
	}
	return h
}

// stop ends all requests and waits for them: with its request each gate opens, also that
// of a server which does not answer, since it hears no beats any more.
func (h *holds) stop() {
	h.cancel(errHoldsOver)
	h.group.Wait()
	h.lose(nil)
	for _, one := range h.each {
		one.end(nil)
	}
}

// take asks a server for its gate and returns when it is held.
func (h *holds) take(ctx context.Context, s Servers, m member, r dbserver.GateLockRequest) error {
	one := h.each[m.id]
	var once sync.Once // a server that grants twice is wrong, and no reason to die
	h.group.Go(func() {
		err := s.GateLock(h.ctx, m.target, r, func(dbserver.GateLockResponse) { once.Do(func() { close(one.granted) }) })
		if err == nil {
			err = apierror.New(apierror.GateLost, "released")
		}
		one.end(err)
		select {
		case <-one.granted:
			h.lose(err)
		default: // it is the answer
		}
	})
	select {
	case <-one.granted:
		return nil
	case <-one.dead.Done():
		return context.Cause(one.dead)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lost says which servers do not hold their gate any more, and why. Asked before the
// gates are released.
func (h *holds) lost() map[string]string {
	out := map[string]string{}
	for id, one := range h.each {
		if err := context.Cause(one.dead); err != nil {
			out[id] = one.explain(err).Error()
		}
	}
	return out
}

// until gives a context that ends, also, when the server's hold has ended because it is
// silent or gone: its answers are not worth waiting for.
func (h *holds) until(ctx context.Context, m member) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	dead := h.each[m.id].dead
	stop := context.AfterFunc(dead, func() {
		if err := context.Cause(dead); unreachable(err) {
			cancel(err)
		}
	})
	return ctx, func() { stop(); cancel(nil) }
}

// mute counts for how long a server has been silent when its gate was asked for, over
// attempts.
type mute map[string]time.Time

// tooLong notes whether a server answered, and says whether it has been silent for too
// long to be tried again.
func (m mute) tooLong(id string, err error, limit time.Duration) bool {
	switch {
	case errors.Is(err, dbserver.ErrSilent):
	case errors.Is(err, context.Canceled): // it was cut off for another one
		return false
	default:
		delete(m, id)
		return false
	}
	if _, known := m[id]; !known {
		m[id] = time.Now().Add(-dbserver.GateSilence)
	}
	return time.Since(m[id]) >= limit
}

// passes says whether an attempt may be tried again after a gate was not granted with
// this error: as opposed to a server that refuses, or is not there.
func passes(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, apierror.LockTimeout) || errors.Is(err, apierror.GateLost) || errors.Is(err, dbserver.ErrSilent)
}
