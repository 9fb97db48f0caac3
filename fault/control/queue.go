package control

import "sync"

// mostWaiting is how many lines may wait for a controller that does not read.
const mostWaiting = 1 << 16

// queue keeps lines until they are written, so that what is reported never waits for the controller.
type queue struct {
	mu    sync.Mutex
	lines []line
	full  bool
	some  chan struct{} // one token: there are lines
}

func newQueue() *queue { return &queue{some: make(chan struct{}, 1)} }

// add gives false if the queue is full, for ever: a stream with a gap must not look whole.
func (q *queue) add(l line) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.full = q.full || len(q.lines) >= mostWaiting; q.full {
		return false
	}
	q.lines = append(q.lines, l)
	select {
	case q.some <- struct{}{}:
	default: // there is one
	}
	return true
}

func (q *queue) take() []line {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.lines
	q.lines = nil
	return all
}
