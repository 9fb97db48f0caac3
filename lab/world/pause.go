package world

import "sync"

// pauses are the servers of this process that are paused, by their ids. A goroutine of a process cannot be stopped from outside. So what
// a server does to others, to its disk and to those who watch it stops: its host is frozen, calls that change its disk hang, and at
// each step that it tells it waits. Between those its code goes on: timers fire, memory changes, and what a read of its disk gives
// is used. The zero value is ready.
type pauses struct {
	mu  sync.Mutex // not held over a wait
	all map[string]chan struct{}
}

// begin pauses a server. It reports whether that is new.
func (p *pauses) begin(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all[id] != nil {
		return false
	}
	if p.all == nil {
		p.all = map[string]chan struct{}{}
	}
	p.all[id] = make(chan struct{})
	return true
}

// end lets a server go on.
func (p *pauses) end(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if over := p.all[id]; over != nil {
		close(over)
		delete(p.all, id)
	}
}

// endAll lets all go on.
func (p *pauses) endAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, over := range p.all {
		close(over)
	}
	clear(p.all)
}

// wait waits while a server is paused. That the context of what it does has ended is no reason to go on: a process that is stopped
// does not notice it.
func (p *pauses) wait(id string) {
	for {
		p.mu.Lock()
		over := p.all[id]
		p.mu.Unlock()
		if over == nil {
			return
		}
		<-over
	}
}
