package transaction

import "context"

// ending is one commit or abort.
type ending struct {
	stop    context.CancelCauseFunc // ends a commit that has not asked for the decision
	done    chan struct{}           // closed when err says how it has ended
	err     error
	settled chan struct{} // closed when nothing of it goes on
}

func newEnding() *ending { return &ending{done: make(chan struct{}), settled: make(chan struct{})} }

// answer says how an ending has ended. The first call counts.
func (e *ending) answer(err error) {
	select {
	case <-e.done:
	default:
		e.err = err
		close(e.done)
	}
}
