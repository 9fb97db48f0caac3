package replica

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	dbclient "stasis/dbserver/client"
)

var errWire = errors.New("connection lost")

// message is a call from one replica to another.
type message struct {
	from, to string
	kind     string                 // "promise", "accept", "copy", "log"
	accept   dbclient.AcceptRequest // of an accept
}

// fate is what becomes of a message.
type fate struct {
	lost   bool          // it does not arrive
	after  time.Duration // it arrives so much later
	hold   <-chan struct{}
	silent bool          // its answer does not arrive
	again  time.Duration // it arrives once more, so long after the first time; 0: it does not
}

// wire carries the messages between the replicas, as the test's script says. What has
// been sent arrives even if its sender no longer waits, unless its receiver has been
// started again meanwhile.
type wire struct {
	room *room

	mu     sync.Mutex
	script func(message) fate
	watch  func(message) // called with each message; nil: none
	sent   []message
}

// plays has f say what becomes of messages from now on; nil: they arrive.
func (w *wire) plays(f func(message) fate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.script = f
}

func (w *wire) fateOf(m message) fate {
	w.mu.Lock()
	f, watch := w.script, w.watch
	w.sent = append(w.sent, m)
	w.mu.Unlock()
	if watch != nil {
		watch(m)
	}
	if f == nil {
		return fate{}
	}
	return f(m)
}

// watches has f called with every message from now on.
func (w *wire) watches(f func(message)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watch = f
}

// count is how many messages have been sent that are like this.
func (w *wire) count(like func(message) bool) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.sent {
		if like(m) {
			n++
		}
	}
	return n
}

// end is one replica's end of the wire.
type end struct {
	wire *wire
	from string
}

// arrival is what the receiver made of a message.
type arrival[A any] struct {
	answer A
	err    error
}

// carry takes a message to its receiver and the answer back.
func carry[A any](ctx context.Context, e end, t dbclient.Target, m message, do func(*process) (A, error)) (none A, err error) {
	m.from, m.to = e.from, strings.TrimPrefix(t.URL, "http://")
	f := e.wire.fateOf(m)
	to := e.wire.room.process(m.to)
	if f.lost || to == nil {
		return none, errWire
	}
	back := make(chan arrival[A], 1)
	e.wire.room.group.Go(func() {
		if !e.wire.room.rest(f.after) || !e.wire.room.until(f.hold) {
			return
		}
		a, err := handle(to, do)
		if !f.silent {
			back <- arrival[A]{a, err}
		}
		if f.again > 0 && e.wire.room.rest(f.again) {
			_, _ = handle(to, do) // no caller waits for its answer
		}
	})
	select {
	case a := <-back:
		return a.answer, a.err
	case <-to.died:
		return none, errWire
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

// handle is what a process does with a message, unless it is gone.
func handle[A any](p *process, do func(*process) (A, error)) (none A, err error) {
	if !p.enter() {
		return none, errWire
	}
	defer p.inside.Done()
	return do(p)
}

func (e end) Promise(ctx context.Context, t dbclient.Target, _ string, r dbclient.Tenure) (dbclient.ReplicaAnswer, error) {
	return carry(ctx, e, t, message{kind: "promise"}, func(p *process) (dbclient.ReplicaAnswer, error) { return p.obeys.Promise(context.Background(), r) })
}

func (e end) Accept(ctx context.Context, t dbclient.Target, _ string, r dbclient.AcceptRequest) (dbclient.ReplicaAnswer, error) {
	return carry(ctx, e, t, message{kind: "accept", accept: r}, func(p *process) (dbclient.ReplicaAnswer, error) { return p.obeys.Accept(context.Background(), r) })
}

func (e end) Copy(ctx context.Context, t dbclient.Target, _ string, r dbclient.CopyRequest) (dbclient.ReplicaAnswer, error) {
	return carry(ctx, e, t, message{kind: "copy"}, func(p *process) (dbclient.ReplicaAnswer, error) { return p.obeys.Copy(context.Background(), r) })
}

func (e end) Log(ctx context.Context, t dbclient.Target, _ string, r dbclient.LogRequest) (dbclient.LogResponse, error) {
	return carry(ctx, e, t, message{kind: "log"}, func(p *process) (dbclient.LogResponse, error) { return p.obeys.Log(r) })
}
