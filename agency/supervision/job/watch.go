package job

import (
	"slices"
	"time"

	"stasis/fsm"
)

// Timing says how patient jobs are. Zero fields take the defaults.
type Timing struct {
	Grace   time.Duration // a planned leader that has not begun to serve for longer is replaced; 10 s
	Forsake time.Duration // failed servers that alone have every acknowledged write are waited for, before one leads that may lack some; 15 min
	Copy    time.Duration // a move whose new replica is not in sync after so long is given up; 3 h
	Resign  time.Duration // how long a leader may take to resign, and its successor to begin; 1 min
	Wait    time.Duration // how long a job may wait to begin, or to find room; 1 h
	Parents time.Duration // how long a job with children may take; 24 h
	Return  time.Duration // how long a server that resigned for a restart may stay away before it leads no more; 2 h
}

func (t Timing) withDefaults() Timing {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&t.Grace, 10*time.Second)
	set(&t.Forsake, 15*time.Minute)
	set(&t.Copy, 3*time.Hour)
	set(&t.Resign, time.Minute)
	set(&t.Wait, time.Hour)
	set(&t.Parents, 24*time.Hour)
	set(&t.Return, 2*time.Hour)
	return t
}

// Watch is what one leader of the agency knows beside the tree: since when it has
// seen what, on its own clock, and what it has told already. A new leader begins
// with an empty one, which makes it more patient and never rash.
type Watch struct {
	seen   map[string]sight
	told   map[string]string
	frozen bool                     // in the last pass
	held   map[string]time.Duration // how long jobs were held back by the last freeze

	// collections are those of the last pass, by their entries of Plan.
	collections map[*fsm.Node]collection
}

// sight is when exactly these values were seen first.
type sight struct {
	values []*fsm.Node
	since  time.Time
	used   bool // in this pass
}

// NewWatch makes the empty memory of a new leader.
func NewWatch() *Watch {
	return &Watch{seen: map[string]sight{}, told: map[string]string{}, held: map[string]time.Duration{}}
}

// age is for how long the values have been seen unchanged, pass after pass.
func (w *Watch) age(now time.Time, what string, values ...*fsm.Node) time.Duration {
	s, ok := w.seen[what]
	if !ok || !slices.EqualFunc(s.values, values, fsm.Equal) {
		s = sight{values: values, since: now}
	}
	s.used = true
	w.seen[what] = s
	return now.Sub(s.since)
}

// sweep forgets what nobody asked for in this pass.
func (w *Watch) sweep() {
	for what, s := range w.seen {
		if !s.used {
			delete(w.seen, what)
			continue
		}
		s.used = false
		w.seen[what] = s
	}
}

// news says whether this differs from what was told last about a subject.
func (w *Watch) news(subject, text string) bool {
	if w.told[subject] == text {
		return false
	}
	w.told[subject] = text
	return true
}
