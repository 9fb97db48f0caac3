package supervision

import (
	"time"

	"stasis/agency/supervision/job"
)

// Periods says how often the supervision looks, and how long it waits for what. Zero fields take
// the defaults.
//
// OkThreshold counts as no longer than half of Grace, and Interval as no longer than a quarter,
// so that a short grace period is kept. LeaderGrace counts as no shorter than Grace: by its end
// every serving lease has ended that a server took from another leader's answer.
type Periods struct {
	Interval    time.Duration // between two passes; 1 s
	OkThreshold time.Duration // age of a heartbeat up to which a server is GOOD; 5 s
	Grace       time.Duration // age of a heartbeat beyond which a server is FAILED; 10 s
	LeaderGrace time.Duration // a leader judges a server that it has never heard no earlier; 55 s
	Ownerless   time.Duration // a lock without holder is taken away after so long; 10 min
	Jobs        job.Timeouts  // its Grace is that of the servers
}

func (p Periods) withDefaults() Periods {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&p.Interval, time.Second)
	set(&p.OkThreshold, 5*time.Second)
	set(&p.Grace, 10*time.Second)
	p.OkThreshold, p.Interval = min(p.OkThreshold, p.Grace/2), min(p.Interval, p.Grace/4)
	set(&p.LeaderGrace, 55*time.Second)
	set(&p.Ownerless, 10*time.Minute)
	return p
}
