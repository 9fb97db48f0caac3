package engine

import "sync"

// workers run calls that may have to be left to the disk. They are kept: a new goroutine
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
	done  chan answer // has room for one, so that a worker never waits for who has given up
}

// answer is what a call came to.
type answer struct {
	err   error
	panic any // nil: it returned
}

// get is for the caller: a panic is the caller's, as if it had made the call itself.
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

// hire gives an idle worker, or a new one, whose goroutine group waits for.
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

// end lets all workers go, those that still work when they have ended.
func (p *workers) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ending = true
	for _, w := range p.idle {
		close(w.calls)
	}
	p.idle = nil
}
