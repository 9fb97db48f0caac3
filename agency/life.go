package agency

import (
	"context"
	"sync"

	"stasis/internal/wait"
)

// life is how long an agent runs, and why it ends.
type life struct {
	running context.Context // ends when Close begins, or when the agent has to stop
	stop    context.CancelFunc
	fatal   chan error // why the agent has to stop; the first reason counts
	failed  chan error // what Err delivers
	closing wait.Once

	watcher sync.WaitGroup
	workers sync.WaitGroup // the proposer, the reader, and what takes snapshots
	joining sync.WaitGroup // what brings the agent to its place
}

func newLife() *life {
	l := &life{fatal: make(chan error, 1), failed: make(chan error, 1)}
	l.running, l.stop = context.WithCancel(context.Background())
	return l
}

// mustStop has the agent stop for good.
func (l *life) mustStop(err error) {
	select {
	case l.fatal <- err:
	default: // it is stopping already
	}
}

// report delivers the error that stopped the agent; the first one counts.
func (l *life) report(err error) {
	select {
	case l.failed <- err:
	default:
	}
}
