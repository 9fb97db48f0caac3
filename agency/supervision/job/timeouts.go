package job

import "time"

// Timeouts says how long jobs wait for what. Zero fields take the defaults.
type Timeouts struct {
	Grace         time.Duration // a planned leader that has not begun to serve for longer is replaced; 10 s
	UncleanLeader time.Duration // how long FAILED servers that alone have every acknowledged write are waited for, before a server leads that may lack some; 15 min
	Copy          time.Duration // a move whose new replica is not in sync after so long is given up; 3 h
	Handover      time.Duration // how long a leader may take to resign, and its successor to begin to serve; 1 min
	Queue         time.Duration // how long a job may wait to begin, and a drain for a server that is free; 1 h
	Parent        time.Duration // how long a job with children may take; 24 h
	Return        time.Duration // how long a server that resigned for a restart may stay away before it gets nothing back; 2 h
}

func (t Timeouts) withDefaults() Timeouts {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&t.Grace, 10*time.Second)
	set(&t.UncleanLeader, 15*time.Minute)
	set(&t.Copy, 3*time.Hour)
	set(&t.Handover, time.Minute)
	set(&t.Queue, time.Hour)
	set(&t.Parent, 24*time.Hour)
	set(&t.Return, 2*time.Hour)
	return t
}
