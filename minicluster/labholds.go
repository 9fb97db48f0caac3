package minicluster

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"stasis/event"
	"stasis/fault"
	"stasis/fault/control"
)

// standingHolds are the holds that a person has asked for. They last until they are released: a command that asks for one is over at once.
type standingHolds struct {
	mu   sync.Mutex // guards the list; not held while a hold is made or ended
	last int64
	all  map[int64]standingHold
}

type standingHold struct {
	*LabHold
	moment fault.Moment
	since  time.Time
}

// rule describes a hold as the rules of processes are.
func (h standingHold) rule(id int64) control.Rule {
	r := control.Rule{ID: id, Kind: "hold", Since: h.since, Moment: &h.moment, Over: h.Why(), Silent: h.holdNothing()}
	if e := h.Event(); e != (event.Event{}) {
		r.Met, r.Event = 1, &e
	}
	return r
}

// hold makes a hold that stays. Silent of the answer are the servers that it does not concern.
func (s *standingHolds) hold(ctx context.Context, lab *Lab, m fault.Moment) (control.Answer, error) {
	if err := s.twin(m); err != nil {
		return control.Answer{}, err
	}
	h, err := lab.Hold(ctx, m)
	if err != nil {
		return control.Answer{}, err
	}
	r, err := s.enter(standingHold{LabHold: h, moment: m, since: time.Now().UTC()})
	if err != nil { // another terminal was faster
		h.End()
		return control.Answer{}, err
	}
	return control.Answer{Rule: &r, Silent: h.holdNothing()}, nil
}

// twin is an error if a hold waits for the same step. Both would hold the same operation, and each release would seem to do nothing.
// One that holds an operation is no twin: the next one holds the next operation.
func (s *standingHolds) twin(m fault.Moment) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.twinOf(m)
}

func (s *standingHolds) twinOf(m fault.Moment) error {
	for id, h := range s.all {
		if h.moment == m && h.Event() == (event.Event{}) && h.Why() == "" {
			return control.Errorf(control.CannotDo, "hold %[1]d waits for the same step already: \"stasis step release %[1]d\" ends it", id)
		}
	}
	return nil
}

func (s *standingHolds) enter(h standingHold) (control.Rule, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.twinOf(h.moment); err != nil {
		return control.Rule{}, err
	}
	if s.all == nil {
		s.all = map[int64]standingHold{}
	}
	s.last++
	s.all[s.last] = h
	return h.rule(s.last), nil
}

// list are the holds in the order in which they were made.
func (s *standingHolds) list() []control.Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	rules := []control.Rule{}
	for _, id := range slices.Sorted(maps.Keys(s.all)) {
		rules = append(rules, s.all[id].rule(id))
	}
	return rules
}

// release ends one hold, or all if id is 0. It gives those that it ended.
func (s *standingHolds) release(id int64) ([]control.Rule, error) {
	s.mu.Lock()
	ended := map[int64]standingHold{}
	for at, h := range s.all {
		if id == 0 || at == id {
			ended[at] = h
			delete(s.all, at)
		}
	}
	released := 0 < id && id <= s.last
	s.mu.Unlock()
	if len(ended) == 0 && released {
		return nil, control.Errorf(control.NoSuchRule, "hold %d was released already: \"stasis step list\" shows those there are", id)
	}
	if id != 0 && len(ended) == 0 {
		return nil, control.Errorf(control.NoSuchRule, "there is no hold %d: \"stasis step list\" shows those there are", id)
	}
	rules := []control.Rule{}
	for _, at := range slices.Sorted(maps.Keys(ended)) {
		rules = append(rules, ended[at].rule(at))
		ended[at].End()
	}
	return rules, nil
}

// end releases all.
func (s *standingHolds) end() { _, _ = s.release(0) } // of all it has no error
