package workload

import (
	"errors"
	"fmt"
	"slices"
	"sort"

	"stasis/lab/history"
)

// judgeRegisters judges registers one by one, and then looks for an instant at which all of them have what the state
// has. An order of the writes of one register is found by Porcupine, in at most so many
// steps for each question.
func judgeRegisters(g generation, found State, cut Cut, most int64) (Findings, error) {
	all, err := registersOf(g, found)
	if err != nil {
		return Findings{}, err
	}
	s := search{window: windowOf(g.ops, cut), cut: cut, j: newJudgement(cut), most: most}
	for _, key := range sortedKeys(all) {
		s.alone(all[key])
	}
	from, to := s.together()
	if len(s.j.Problems) == 0 && s.undecided != nil {
		return Findings{}, s.undecided
	}
	there := func(o history.Op) bool { return all[o.Key].found == idOf(o) }
	f := s.window.tally(g.ops, from, there)
	f.Problems, f.Earliest, f.Latest = s.j.Problems, s.window[from].At, s.window.end(to, cut)
	return f, nil
}

func registersOf(g generation, found State) (map[string]*registerOps, error) {
	all := map[string]*registerOps{}
	at := func(key string) *registerOps {
		if all[key] == nil {
			all[key] = &registerOps{key: key}
		}
		return all[key]
	}
	for _, o := range g.ops {
		if err := at(o.Key).add(o); err != nil {
			return nil, fmt.Errorf("operation %d of the history: %w", o.BeginOrder, err)
		}
	}
	var err error
	for key, doc := range g.base {
		if at(key).base, err = valueOf(doc); err != nil {
			return nil, fmt.Errorf("restored document %s: %w", key, err)
		}
	}
	for key, doc := range found {
		if at(key).found, err = valueOf(doc); err != nil {
			return nil, fmt.Errorf("document %s: %w", key, err)
		}
	}
	return all, nil
}

// idOf is the value that an operation writes; "-" if it writes none.
func idOf(o history.Op) string {
	if v, err := valueOf(docOf(o)); err == nil && v != "" {
		return v
	}
	return "-"
}

// search looks for the instant of a state.
type search struct {
	window
	cut  Cut
	j    *judgement
	most int64 // steps of a question

	ranges    []registerRange
	undecided error
}

// registerRange are the first and the last instant at which a register can have what the state has.
type registerRange struct {
	*registerOps
	first, last int
}

// ask asks whether a register can have had what the state has at one of some instants.
func (s *search) ask(r *registerOps, from, to int) (bool, error) {
	return r.explained(ticks*int64(s.window[from].Order)+1, ticks*int64(s.window[to].Order)+2, s.most)
}

// alone judges one register.
func (s *search) alone(r *registerOps) {
	err := s.narrow(r)
	if errors.Is(err, ErrUndecided) {
		s.undecided = err
	}
}

// narrow finds the first and the last instant of a register.
func (s *search) narrow(r *registerOps) error {
	end := len(s.window) - 1
	if ok, err := r.explained(0, 0, s.most); err != nil {
		return err
	} else if !ok {
		s.j.problem("what clients saw of %s has no order: it is no register", r.key)
		return nil
	}
	ok, err := s.ask(r, 0, end)
	if err != nil {
		return err
	}
	if !ok {
		return s.impossible(r)
	}
	// Whether it can be at one of the first instants, or one of the last, grows with their number.
	var unknown error
	probe := func(from, to int) bool {
		ok, err := s.ask(r, from, to)
		unknown = errors.Join(unknown, err)
		return ok
	}
	first := sort.Search(end, func(i int) bool { return probe(0, i) })
	last := end - sort.Search(end-first, func(i int) bool { return probe(end-i, end) })
	s.ranges = append(s.ranges, registerRange{r, first, last})
	return unknown
}

// impossible says why a register can have had what the state has at no instant.
func (s *search) impossible(r *registerOps) error {
	what := "nothing"
	if r.found != "" {
		what = r.found
	}
	var before bool
	var err error
	if first := ticks * int64(s.window[0].Order); first > 0 {
		if before, err = r.explained(1, first-1, s.most); err != nil {
			return err
		}
	}
	after, err := r.explained(ticks*int64(s.window[len(s.window)-1].Order)+3, never, s.most)
	switch {
	case err != nil:
		return err
	case before:
		s.j.problem("missing: %s has %s, as it was before the instant could be, and lacks what was written since", r.key, what)
	case after:
		s.j.problem("too late: %s has %s, which is of a time after the instant could be", r.key, what)
	default:
		s.j.problem("%s has %s, and no order of what clients did and saw explains it", r.key, what)
	}
	return nil
}

// together finds the instants at which all registers can have what the state has, or says that there is none.
func (s *search) together() (from, to int) {
	if len(s.ranges) == 0 {
		return 0, len(s.window) - 1
	}
	latest := slices.MaxFunc(s.ranges, func(a, b registerRange) int { return a.first - b.first })
	earliest := slices.MinFunc(s.ranges, func(a, b registerRange) int { return a.last - b.last })
	from, to = latest.first, earliest.last
	if s.undecided != nil || len(s.j.Problems) > 0 {
		return from, max(from, to)
	}
	if from > to {
		s.j.problem("not one instant: what %s has was there at %v at the earliest, what %s has at %v at the latest",
			latest.key, s.window[from].At, earliest.key, s.window.end(to, s.cut))
		return from, from
	}
	for i := from; i <= to; i++ {
		switch all, err := s.at(i); {
		case err != nil:
			s.undecided = err
			return from, to
		case all:
			return i, to
		}
	}
	s.j.problem("not one instant: between %v and %v there is no moment at which all registers can have had what the state has", s.window[from].At, s.window.end(to, s.cut))
	return from, to
}

// at asks all registers about one instant.
func (s *search) at(i int) (bool, error) {
	for _, r := range s.ranges {
		if ok, err := s.ask(r.registerOps, i, i); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}
