package tree

import (
	"sync/atomic"
	"time"

	"stasis/fsm"
	"stasis/internal/wall"
)

// pace is the time of the last command, and when it came to this agent.
type pace struct{ last atomic.Pointer[commandTime] }

type commandTime struct {
	time int64 // ms, as its leader's wall clock had it
	came time.Time
}

func (p *pace) note(ms int64) { p.last.Store(&commandTime{ms, time.Now()}) }

// Now is the time that the next command gets, and that a reader sees the tree at (ms). It is the agent's wall clock, or,
// where that is behind the tree's, the tree's time with what has passed since then. So it goes on at its pace also after
// a leader whose clock was hours ahead: what is to expire in the tree does, after its time to live at the latest. It may
// expire earlier, by as much as a clock is ahead.
func (r *Replica) Now() int64 {
	now := r.config.Wall.Milli()
	if last := r.pace.last.Load(); last != nil {
		now = max(now, last.time+time.Since(last.came).Milliseconds())
	}
	return now
}

// Wall is the agent's wall clock.
func (r *Replica) Wall() wall.Clock { return r.config.Wall }

// Present is a state as a reader is to see it at this moment: without what has expired.
func (r *Replica) Present(s *fsm.State) *fsm.State { return s.AsOf(r.Now()) }
