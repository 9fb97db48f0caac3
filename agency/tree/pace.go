package tree

import (
	"sync/atomic"
	"time"
)

// pace is how the tree's time goes on: from a command's time, since it came to this agent.
type pace struct{ from atomic.Pointer[commandTime] }

type commandTime struct {
	time int64 // ms, as its leader's wall clock had it
	came time.Time
}

// now is the tree's time, with what has passed since; 0 if there was no command.
func (p *pace) now() int64 {
	from := p.from.Load()
	if from == nil {
		return 0
	}
	return from.time + time.Since(from.came).Milliseconds()
}

// note takes a command's time. One that is not ahead of the pace changes nothing: its time was read before the command was written
// and replicated, and if time went on from there, what that takes would be lost with each command.
func (p *pace) note(ms int64) {
	if ms > p.now() {
		p.from.Store(&commandTime{ms, time.Now()})
	}
}
