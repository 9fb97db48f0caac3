package coordinator

import (
	"sync/atomic"

	"stasis/internal/apierror"
)

// phase is where a coordinator is in its life.
type phase int32

const (
	starting phase = iota
	serving
	stopping
)

// life is the phase, as every request asks for it.
type life struct {
	phase atomic.Int32
	ended chan struct{} // closed when the server stops
}

func (l *life) become(p phase) { l.phase.Store(int32(p)) }

func (l *life) is(p phase) bool { return phase(l.phase.Load()) == p }

// admit is nil if requests are answered.
func (l *life) admit() error {
	switch phase(l.phase.Load()) {
	case starting:
		return apierror.New(apierror.StartingUp, "the server is starting")
	case stopping:
		return apierror.New(apierror.ShuttingDown, "the server is stopping")
	}
	return nil
}
