package engine

import "sync"

// workers run calls that may have to be abandoned. They are kept, because a new goroutine
// would have to grow its stack for each commit.
type workers struct {
	mu     sync.Mutex
	idle   []*worker
	ending bool
}

// keptWorkers is how many wait for the next call.
const keptWorkers = 16

type worker struct {
	calls chan func() error
	done  chan answer // has room for one, so that a worker never waits for a caller that has left
}

// answer is the outcome of a call.
type answer struct {
	err   error
	panic any // nil: it returned
}

// get returns the error to the caller. A panic of the call becomes the caller's.
func (a answer) get() error {
	if a.panic != nil {
		panic(a.panic)
	}
	return a.err
}

func call(f func() error) (a answer) {
	defer func() { a.panic = recover() }()
	a.err = f()
	return a
}

// hire returns an idle worker, or a new one, whose goroutine group waits for.
func (p *workers) hire(group *sync.WaitGroup) *worker {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return w
	}
	w := &worker{calls: make(chan func() error, 1), done: make(chan answer, 1)}
	group.Go(func() {
		for f := range w.calls {
			w.done <- call(f)
		}
	})
	return w
}

// rest takes a worker back whose answer has been taken.
func (p *workers) rest(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending || len(p.idle) == keptWorkers {
		close(w.calls)
		return
	}
	p.idle = append(p.idle, w)
}

// end ends the workers; those that work end after their call.
func (p *workers) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ending = true
	for _, w := range p.idle {
		close(w.calls)
	}
	p.idle = nil
}
