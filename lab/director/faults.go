package director

import (
	"errors"
	"fmt"
	"sync"

	"stasis/lab/scenario"
	"stasis/lab/verdict"
	"stasis/lab/world"
)

// faults are the faults of a run: each action that breaks something has one record, however often it is done.
type faults struct {
	mu   sync.Mutex // held shortly
	all  []*record
	kept []world.Met // that are to be taken back
}

// record counts one fault.
type record struct {
	mu     sync.Mutex
	fault  verdict.Fault
	meters []func() (int, error)
}

// of makes the record of an action. aimed is the step of its moment.
func (f *faults) of(a scenario.Action, aimed string) *record {
	r := &record{fault: verdict.Fault{Line: a.Line, Text: a.Text, Aimed: aimed}}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, r)
	return r
}

// injected notes that the fault is there; in time for the step that it aims at, or not.
func (r *record) injected(inTime bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault.Injected++
	if inTime && r.fault.Aimed != "" {
		r.fault.Overlaps++
	}
}

// overlap notes that the fault is there while its step is.
func (r *record) overlap() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault.Overlaps++
}

// meet counts what a fault concerned that cannot be counted by the world: a server that is killed, a link all of
// whose traffic is late.
func (r *record) meet(n int) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault.Met += n
}

// refuse notes that the cluster has refused what was asked of it.
func (r *record) refuse(why error) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault.Refused++
	r.fault.Why = why.Error()
}

// meter adds a count that is read at the end.
func (r *record) meter(read func() (int, error)) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.meters = append(r.meters, read)
}

// keep keeps a fault that the world has made, to count it and to take it back.
func (f *faults) keep(r *record, met world.Met, err error) error {
	if err != nil {
		return err
	}
	r.meter(func() (int, error) { return met.Met(), nil })
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept = append(f.kept, met)
	return nil
}

// end takes back the faults that were kept.
func (f *faults) end() {
	f.mu.Lock()
	kept := f.kept
	f.kept = nil
	f.mu.Unlock()
	for _, met := range kept {
		met.End()
	}
}

// count reads all meters, once.
func (f *faults) count() error {
	f.mu.Lock()
	all := f.all
	f.mu.Unlock()
	var errs []error
	for _, r := range all {
		r.mu.Lock()
		meters := r.meters
		r.meters = nil
		r.mu.Unlock()
		for _, read := range meters {
			n, err := read()
			errs = append(errs, err)
			r.meet(n)
		}
	}
	return errors.Join(errs...)
}

// list is all records, and why the run shows nothing: a fault that was not there, or was not met.
func (f *faults) list() (all []verdict.Fault, vacuous []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.all {
		r.mu.Lock()
		one := r.fault
		r.mu.Unlock()
		all = append(all, one)
		if why := missed(one); why != "" {
			vacuous = append(vacuous, fmt.Sprintf("line %d: `%s` %s", one.Line, one.Text, why))
		}
	}
	return all, vacuous
}

func missed(f verdict.Fault) string {
	switch {
	case f.Injected == 0 && f.Aimed != "":
		return "was never done: the step it aimed at was not reached"
	case f.Injected == 0:
		return "was never done: its moment did not come"
	case f.Aimed != "" && f.Overlaps == 0:
		return "missed the step it aimed at"
	case f.Met == 0 && f.Refused > 0:
		return "was refused: " + f.Why
	case f.Met == 0:
		return "was never met"
	}
	return ""
}
