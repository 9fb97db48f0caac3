package tree

import (
	"slices"
	"sync"

	"stasis/fsm"
)

// waiters are functions that run when the tree reaches an index.
type waiters struct {
	mu  sync.Mutex
	all []*waiter // in the order in which they came
}

type waiter struct {
	index uint64
	do    func(*fsm.State)
}

// add adds a function unless the index has been reached. forget does not return while it runs.
func (w *waiters) add(index uint64, do func(*fsm.State), state func() *fsm.State) (forget func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if state().Index() >= index {
		return func() {}
	}
	one := &waiter{index, do}
	w.all = append(w.all, one)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.all = slices.DeleteFunc(w.all, func(other *waiter) bool { return other == one })
	}
}

// run runs what waits for the index of a state or for an earlier one.
func (w *waiters) run(state *fsm.State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = slices.DeleteFunc(w.all, func(one *waiter) bool {
		reached := state.Index() >= one.index
		if reached {
			one.do(state)
		}
		return reached
	})
}
