package coordinator

import (
	"sync"
	"sync/atomic"

	"stasis/internal/apierror"
)

// phase is what a coordinator does at present.
type phase int32

const (
	starting phase = iota
	serving
	stopping
)

// life is the phase of a coordinator. Every request asks for it.
type life struct {
	phase atomic.Int32
	once  sync.Once
	ended chan struct{} // closed when the server stops
}

func newLife() *life { return &life{ended: make(chan struct{})} }

func (l *life) serve() { l.phase.Store(int32(serving)) }

// stop makes answers that go on end.
func (l *life) stop() {
	l.phase.Store(int32(stopping))
	l.once.Do(func() { close(l.ended) })
}

// Admit returns nil if requests are answered.
func (l *life) Admit() error {
	switch phase(l.phase.Load()) {
	case starting:
		return apierror.New(apierror.StartingUp, "the server is starting")
	case stopping:
		return apierror.New(apierror.ShuttingDown, "the server is stopping")
	}
	return nil
}

// State is the phase as ArangoDB names it.
func (l *life) State() string {
	switch phase(l.phase.Load()) {
	case starting:
		return "STARTUP"
	case stopping:
		return "SHUTDOWN"
	}
	return "SERVING"
}
