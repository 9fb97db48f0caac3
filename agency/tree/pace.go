package tree

import (
	"sync/atomic"
	"time"
)

// pace is the time of the last command, and when it came to this agent.
type pace struct{ last atomic.Pointer[commandTime] }

type commandTime struct {
	time int64 // ms, as its leader's wall clock had it
	came time.Time
}

func (p *pace) note(ms int64) { p.last.Store(&commandTime{ms, time.Now()}) }
