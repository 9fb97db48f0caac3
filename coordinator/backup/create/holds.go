package create

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"stasis/coordinator/backup/fanout"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// holds are the requests with which one attempt holds the gates, one for each server. Each sends
// beats from its beginning to its end, and the server answers them. When one of them ends, the
// attempt is over: the others would hold up their writers for nothing.
type holds struct {
	attempt uint64
	ctx     context.Context // of the requests
	cancel  context.CancelCauseFunc
	group   sync.WaitGroup
	alive   context.Context // ends, with the reason, when the first hold is lost
	lose    context.CancelCauseFunc
	evicts  *eviction        // nil: no open transaction is aborted
	each    map[string]*hold // by server; none is added once the gates are asked for
}

// hold is one of the requests.
type hold struct {
	fanout.Member
	granted chan struct{}
	dead    context.Context // ends, with the reason, when the request has ended
	end     context.CancelCauseFunc
}

// errHoldsOver ends the requests of an attempt that is over.
var errHoldsOver = errors.New("the attempt is over")

func newHolds(ctx context.Context, attempt int, members []fanout.Member) *holds {
	h := &holds{attempt: uint64(attempt), each: map[string]*hold{}}
	h.ctx, h.cancel = context.WithCancelCause(ctx)
	h.alive, h.lose = context.WithCancelCause(ctx)
	for _, m := range members {
		one := &hold{Member: m, granted: make(chan struct{})}
		one.dead, one.end = context.WithCancelCause(context.WithoutCancel(ctx))
		h.each[m.ID] = one
	}
	return h
}

// stop ends all requests and waits for them. Each gate opens with its request. That of a server
// that does not answer opens, too, because the beats end.
func (h *holds) stop() {
	h.cancel(errHoldsOver)
	h.group.Wait()
	h.lose(nil)
	for _, id := range slices.Sorted(maps.Keys(h.each)) { // in an order, so that runs can be repeated
		h.each[id].end(nil)
	}
}

// take asks a server for its gate and returns when the gate is held.
func (h *holds) take(ctx context.Context, s Servers, m fanout.Member, r dbclient.GateLockRequest) error {
	// The request goes on after take has returned: it ends when the attempt does, and the gate opens
	// with it. So it belongs to the holds, and not to the call.
	one := h.each[m.ID]
	var once sync.Once // a server that grants twice is wrong, but must not end this process
	h.group.Go(func() {
		err := s.GateLock(h.ctx, m.Target, r, func(dbclient.GateLockResponse) { once.Do(func() { close(one.granted) }) })
		if err == nil {
			err = apierror.New(apierror.GateLost, "released")
		}
		one.end(err)
		select {
		case <-one.granted:
			h.lose(err)
		default: // err is the answer
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

// lost returns the servers that do not hold their gate any more, and why. It is called before the
// gates are released.
func (h *holds) lost() map[string]string {
	out := map[string]string{}
	for id, one := range h.each {
		if err := context.Cause(one.dead); err != nil {
			out[id] = one.Explain(err).Error()
		}
	}
	return out
}

// until returns a context that also ends when the server's hold has ended because the server does
// not answer: waiting for another answer would take long and bring nothing.
func (h *holds) until(ctx context.Context, m fanout.Member) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	dead := h.each[m.ID].dead
	stop := context.AfterFunc(dead, func() {
		if err := context.Cause(dead); fanout.Unreachable(err) {
			cancel(err)
		}
	})
	return ctx, func() { stop(); cancel(nil) }
}

// retryable says whether another attempt may succeed after a gate was not granted with this
// error. It may not if a server refuses or cannot be reached.
func retryable(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, apierror.LockTimeout) || errors.Is(err, apierror.GateLost) || errors.Is(err, dbclient.ErrSilent)
}
