package director

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/event"
	"stasis/lab/workload"
	"stasis/lab/world"
)

// alone is a world that has a client, and nothing that a test asks for.
type alone struct{ world.World }

func (alone) Clients() []*client.Client { return []*client.Client{nil} }

// undecided is a workload that cannot tell.
type undecided struct {
	workload.Workload
	asked int
}

func (*undecided) Spec() workload.Spec { return workload.Spec{Name: "register"} }

func (u *undecided) CheckEnd(context.Context, *client.Client) (workload.Findings, error) {
	u.asked++
	return workload.Findings{}, workload.ErrUndecided
}

// What is not known of the running cluster is no violation, and the run has not passed.
func TestUndecidedIsNotViolated(t *testing.T) {
	u := &undecided{}
	r := &run{world: alone{}, loads: &loads{all: []workload.Workload{u}}}
	r.judgeEnd(t.Context(), "at the end")
	require.Empty(t, r.result.found)
	require.Equal(t, []string{"register, at the end: it could not be judged: undecided"}, r.result.vacuous)
	require.Equal(t, 1, u.asked)
}

// Events that were not kept are counted: what is judged by them is not judged whole.
func TestEventsThatAreNotKept(t *testing.T) {
	l := &events{all: make([]event.Event, mostEvents-1)}
	for range 3 {
		l.see(event.Event{})
	}
	require.Len(t, l.list(), mostEvents)
	require.Equal(t, 2, l.unkept())
}

// An operation that did not begin has not failed: what is expected of how many fail does not hold.
func TestWhatDidNotBegin(t *testing.T) {
	s := parse(t, "do:\n  - at 1s: [backup a on coordinator-1, backup b on coordinator-1]\nexpect: [none of a b, exactly one of a b]\n")
	r := &run{scenario: s, stage: &stage{operations: newOperations(s, "")}}
	a, b := r.stage.operations.byLabel["a"], r.stage.operations.byLabel["b"]
	a.err = errors.New("refused")
	close(a.done)
	require.Equal(t, "b did not begin", promises["none"](r, s.Expect[0]))
	close(b.done)
	require.Empty(t, promises["exactly one"](r, s.Expect[1]))
	b.err = a.err
	require.Empty(t, promises["none"](r, s.Expect[0]))
	require.Contains(t, promises["exactly one"](r, s.Expect[1]), "0 succeeded")
}

// A backup that a delete was refused for is judged.
func TestRefusedDelete(t *testing.T) {
	s := parse(t, "do:\n  - at 1s: backup a on coordinator-1\n  - after a: delete a on coordinator-1\nexpect: [a succeeds]\n")
	r := &run{scenario: s, stage: &stage{operations: newOperations(s, "")}}
	a := r.stage.operations.byLabel["a"]
	require.True(t, r.deleted(a))
	a.listed = true // when everything has healed
	require.False(t, r.deleted(a))

	a.listed = false
	d := r.stage.operations.byLabel["delete-a"]
	d.err = client.ErrUnavailable // it may be committed
	close(d.done)
	require.True(t, r.deleted(a))
	d.err = fmt.Errorf("delete: %w", client.ErrConflict)
	require.False(t, r.deleted(a), "it is gone, and nothing has deleted it")
}
