package director

import (
	"fmt"
	"sync"
	"time"

	"stasis/client"
	"stasis/lab/scenario"
	"stasis/lab/workload"
)

// operation is one operation of the scenario.
type operation struct {
	scenario.Operation
	done  chan struct{} // closed when it has ended
	never chan struct{} // closed when it is known that it will not begin

	// The rest is set by the goroutine that does it: On when it begins, what it found before done is closed.
	coordinator  string
	begun, ended time.Time
	cut          workload.Cut
	created      client.CreateResult
	err          error
	unasked      error // why it could not be asked for: what it needs was not there; err is the same then
	restored     bool  // a restore: it was committed, whatever err is

	listed bool // of a create: its backup is listed when everything has healed
}

// state is what is known of an operation without waiting.
func (o *operation) state() (ended bool) {
	select {
	case <-o.done:
		return true
	default:
		return false
	}
}

// operations are all of a scenario, by label.
type operations struct {
	all     []*operation
	byLabel map[string]*operation
	mode    client.LockMode // of each backup; "": the servers' default
	group   sync.WaitGroup

	mu     sync.Mutex
	begun  map[string]bool
	doubts []*operation // restores of which it is not known whether they were committed, or that the load was not told of
}

func newOperations(s *scenario.Scenario, mode client.LockMode) *operations {
	all := &operations{mode: mode, byLabel: map[string]*operation{}, begun: map[string]bool{}}
	for _, o := range s.Operations() {
		one := &operation{Operation: o, done: make(chan struct{}), never: make(chan struct{})}
		all.all = append(all.all, one)
		all.byLabel[o.Label] = one
	}
	return all
}

// beginOperation says whether an operation may begin: each does once.
func (o *operations) begin(label string) (*operation, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.begun[label] {
		return nil, fmt.Errorf("the operation %s has begun already", label)
	}
	o.begun[label] = true
	return o.byLabel[label], nil
}

// dismiss says that operations which have not begun will not.
func (o *operations) dismiss(labels []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range labels {
		if !o.begun[l] {
			o.begun[l] = true
			close(o.byLabel[l].never)
		}
	}
}

// backup is the create of a label that has succeeded.
func (o *operations) backup(label string) (*operation, error) {
	for _, one := range o.all {
		if one.Kind != "create" || one.Backup != label {
			continue
		}
		switch {
		case !one.state():
			return nil, fmt.Errorf("the backup %s has not ended yet", label)
		case one.err != nil:
			return nil, fmt.Errorf("the backup %s has failed: %w", label, one.err)
		}
		return one, nil
	}
	return nil, fmt.Errorf("there is no backup %s", label)
}

// successful are the creates that have made a backup, and those that have failed and made one all the same.
func (o *operations) successful() []*operation {
	var all []*operation
	for _, one := range o.all {
		if one.Kind == "create" && one.state() && (one.err == nil || one.listed) {
			all = append(all, one)
		}
	}
	return all
}
