package job

import (
	"slices"
	"time"

	"stasis/agency/supervision/job/facts"
	"stasis/fsm"
	"stasis/internal/wall"
)

// Memory is what one leader of the agency knows beside the tree: since when it has seen which
// values, on its own clock, and what it has told already. A new leader begins with an empty
// one. That makes it more patient, never rash: every period begins again.
type Memory struct {
	sightings map[string]sighting      // by what was seen
	told      map[string]string        // by subject
	frozen    bool                     // Plan was frozen in the last pass
	heldBack  map[string]time.Duration // job → how long the last freeze held it back
	cache     facts.Cache
	wall      wall.Clock
}

// sighting is when exactly these values were seen first.
type sighting struct {
	values []*fsm.Node
	since  time.Time
	used   bool // in this pass
}

// NewMemory makes the memory of a leader that begins. The wall clock is for what is written down as a time, and for the
// earliest time that a job's creator wants.
func NewMemory(clock wall.Clock) *Memory {
	return &Memory{wall: clock, sightings: map[string]sighting{}, told: map[string]string{}, heldBack: map[string]time.Duration{}}
}

// age is for how long the values have been seen unchanged, pass after pass. A pass that does not
// ask ends the period: what is asked about again has been something else in between.
func (m *Memory) age(now time.Time, what string, values ...*fsm.Node) time.Duration {
	s, ok := m.sightings[what]
	if !ok || !slices.EqualFunc(s.values, values, fsm.Equal) {
		s = sighting{values: values, since: now}
	}
	s.used = true
	m.sightings[what] = s
	return now.Sub(s.since)
}

// endPass forgets what was not asked for in this pass.
func (m *Memory) endPass() {
	for what, s := range m.sightings {
		if !s.used {
			delete(m.sightings, what)
			continue
		}
		s.used = false
		m.sightings[what] = s
	}
}

// news says whether a text differs from what was told last about a subject, and notes it as told.
func (m *Memory) news(subject, text string) bool {
	if m.told[subject] == text {
		return false
	}
	m.told[subject] = text
	return true
}
