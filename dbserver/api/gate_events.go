package api

import (
	"context"
	"sync"

	"stasis/dbserver/gate"
	"stasis/event"
)

// gateEvents emits what becomes of the locks of the gate, for each lock in its order. The gate
// never waits for a sink: it opens when it has to, and the event is emitted afterwards. What
// the coordinator is told waits for the sink.
type gateEvents struct {
	server string // the id of this one
	sink   event.Sink

	mu   sync.Mutex
	open map[*gateLock]bool // locks of the gate whose last event is not emitted yet
}

// gateLock is one lock, for its events.
type gateLock struct {
	of      *gateEvents
	claim   gate.Claim
	lock    *gate.Lock    // once it is claimed
	granted chan struct{} // closed when it is granted and that has been emitted
	told    chan struct{} // closed when its last event has been emitted
}

// asked emits that the gate is asked for.
func (g *gateEvents) asked(ctx context.Context, c gate.Claim) *gateLock {
	l := &gateLock{of: g, claim: c, granted: make(chan struct{}), told: make(chan struct{})}
	l.emit(ctx, event.Event{Step: event.GateAsked, Window: c.Window, LockMode: string(c.Mode)})
	return l
}

// claimed says which lock of the gate it is.
func (l *gateLock) claimed(lock *gate.Lock) {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	l.lock, l.of.open[l] = lock, true
}

// refused emits that the gate was not granted. It is the last event.
func (l *gateLock) refused(ctx context.Context, why error) {
	defer l.over()
	l.emit(ctx, event.Event{Step: event.GateRefused, Detail: why.Error()})
}

// follow emits what becomes of a lock that is claimed, until it has ended.
func (l *gateLock) follow(ctx context.Context) {
	lock := l.lock
	select {
	case <-lock.Granted():
	case <-lock.Ended():
	}
	select {
	case <-lock.Granted(): // also if it has ended since
	default:
		l.refused(ctx, lock.Err())
		return
	}
	defer l.over()
	l.emit(ctx, event.Event{Step: event.GateGranted, Elapsed: lock.Waited(), Window: l.claim.Lease})
	close(l.granted)
	<-lock.Ended()
	if err := lock.Err(); err != nil {
		l.emit(ctx, event.Event{Step: event.GateExpired, Elapsed: lock.Held(), Detail: err.Error()})
		return
	}
	l.emit(ctx, event.Event{Step: event.GateReleased, Elapsed: lock.Held()})
}

func (l *gateLock) emit(ctx context.Context, e event.Event) {
	e.Operation, e.ID, e.Server, e.Attempt = event.Create, l.claim.ID, l.of.server, int(l.claim.Attempt)
	l.of.sink.Emit(ctx, e)
}

func (l *gateLock) ended() bool {
	select {
	case <-l.lock.Ended():
		return true
	default:
		return false
	}
}

func (l *gateLock) over() {
	l.of.mu.Lock()
	delete(l.of.open, l)
	l.of.mu.Unlock()
	close(l.told)
}

// settle waits until all events of those locks of a nonce are emitted that have ended, or until ctx
// ends. A release is answered after it, so that nothing which follows from the answer comes
// before the event. A lock that goes on, because the release is of an earlier attempt, is not waited for.
func (g *gateEvents) settle(ctx context.Context, nonce string) {
	var told []<-chan struct{}
	g.mu.Lock()
	for l := range g.open {
		if l.claim.Nonce == nonce && l.ended() {
			told = append(told, l.told)
		}
	}
	g.mu.Unlock()
	for _, t := range told {
		select {
		case <-t:
		case <-ctx.Done():
			return
		}
	}
}
