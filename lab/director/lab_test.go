package director

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/event"
	"stasis/lab/history"
	"stasis/lab/scenario"
	"stasis/lab/verdict"
	"stasis/lab/workload"
	"stasis/lab/world"
)

// empty is a world of which nothing is asked but what it is.
type empty struct{ alone }

func (empty) Kind() world.Kind { return world.Bubble }

// restoring is a workload that notes what it is told, and whose clients may end by themselves.
type restoring struct {
	workload.Workload
	told []workload.Cut
	ends error
}

func (*restoring) Spec() workload.Spec { return workload.Spec{Name: "bank"} }

func (r *restoring) Restored(_ context.Context, _ *client.Client, cut workload.Cut) error {
	r.told = append(r.told, cut)
	return nil
}

func (r *restoring) Run(context.Context, []*client.Client, time.Duration) error { return r.ends }

// still is a run that was made up to its judgement, of a scenario with a backup and a restore of it.
func still(t *testing.T, w *restoring) *run {
	t.Helper()
	s := parse(t, "do:\n  - at 1s: backup a\n  - after a: restore a\nexpect: [none of a restore-a]\n")
	h, l := history.New(), &loads{clients: alone{}.Clients(), all: []workload.Workload{w}}
	return &run{
		scenario: s, world: empty{}, log: func(string) {}, history: h, events: newEvents(empty{}), loads: l,
		stage: &stage{world: empty{}, operations: newOperations(s, ""), faults: &faults{}, loads: l, history: h},
	}
}

// end ends an operation.
func (r *run) end(label string, err error) *operation {
	o := r.stage.operations.byLabel[label]
	o.err = err
	close(o.done)
	return o
}

// A restore of which it was not known whether it was committed, or of which the load could not be told, is settled when everything has healed:
// the load is told of one that was, and goes on in every case; if it cannot be found out the run is broken.
func TestRestoreIsToldAfterHealing(t *testing.T) {
	step := func(s event.Name) event.Event { return event.Event{Operation: event.Restore, ID: "2000_a", Step: s} }
	for name, c := range map[string]struct {
		restored bool
		events   []event.Event
		left     string
		told     int
		broken   string
	}{
		"restored, and not told": {restored: true, told: 1},
		"Plan was switched":      {events: []event.Event{step("switching Plan"), step("Plan switched")}, told: 1},
		"an engine was swapped":  {events: []event.Event{step("switching Plan"), step("swapping engine")}, told: 1},
		"not so far":             {events: []event.Event{step("staged")}},
		"asked, and nothing left": {
			events: []event.Event{step("switching Plan")},
		},
		"asked, and something left": {events: []event.Event{step("switching Plan")}, left: "a staged engine", broken: "it cannot be told whether restore-a was committed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &restoring{}
			r := still(t, w)
			a := r.end("a", nil)
			a.cut.Returned = history.Moment{Order: 7}
			o := r.end("restore-a", client.ErrUnknownOutcome)
			o.restored, r.events.all, r.result.left.still = c.restored, c.events, c.left
			require.NoError(t, r.loads.halt())
			r.stage.doubt(o)
			(&recovery{r}).settle(t.Context())
			require.Len(t, w.told, c.told)
			if c.told > 0 {
				require.Equal(t, a.cut, w.told[0])
			}
			if c.broken != "" {
				require.ErrorContains(t, r.result.broken, c.broken)
				return
			}
			require.NoError(t, r.result.broken)
			require.Zero(t, r.loads.halted, "the load goes on")
		})
	}
}

// What goes wrong with the lab violates nothing: it says why the run was not made to its end, and what was violated before stays.
func TestFaultsOfTheLab(t *testing.T) {
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("interrupted"))
	for name, c := range map[string]struct {
		does   func(*run)
		reason string
	}{
		"a client ends":    {func(r *run) { r.loads.start(t.Context()); r.endLoad() }, "the load has ended: bank: its client is wrong"},
		"the run is ended": {func(r *run) { r.violated(ended, "serves", "no answer") }, "the run was ended (interrupted) when this was looked at: serves: no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			r := still(t, &restoring{ends: errors.New("its client is wrong")})
			r.result.violated("one instant", 0, "torn")
			r.end("a", nil)
			r.end("restore-a", nil)
			c.does(r)
			r.expect()
			v := r.verdict()
			require.Equal(t, verdict.Violated, v.Outcome, "it stays so")
			require.Contains(t, v.Reason, "besides, the run could not be made to its end: "+c.reason)
			require.Equal(t, []string{"one instant"}, checks(v), "the expectation was not judged")
		})
	}
	r := still(t, &restoring{})
	r.violated(t.Context(), "serves", "no answer")
	require.Equal(t, verdict.Violated, r.verdict().Outcome)
}

// straddle records operations that are in flight when a backup is taken.
func straddle(t *testing.T, h *history.History, o *operation, n int) {
	t.Helper()
	var calls []*history.Call
	for range n {
		call, err := h.Begin(history.Op{Workload: "bank", Kind: history.Read, Key: "k", Value: json.RawMessage("1")})
		require.NoError(t, err)
		calls = append(calls, call)
	}
	o.cut.Asked, o.cut.Returned = h.Now(), h.Now()
	for _, call := range calls {
		call.End(history.OK, nil, nil)
	}
}

// Operations that straddle backups are counted for each, and those of the check's own backups count for no other. A verdict says so if the
// scenario's own backups have few, or have none because each has failed.
func TestStraddlingOfEachBackup(t *testing.T) {
	r := still(t, &restoring{})
	a := r.end("a", nil)
	p := &operation{Operation: scenario.Operation{Label: probe, Kind: "create", Backup: probe}, done: make(chan struct{})}
	close(p.done)
	r.result.probes = []*operation{p}
	straddle(t, r.history, a, 3)
	straddle(t, r.history, p, 200)
	require.Equal(t, 3, straddling(r, a))
	require.Equal(t, 200, straddling(r, p))
	require.Equal(t, 203, straddling(r, a, p))
	v := r.verdict()
	require.Equal(t, 3, v.Straddling)
	require.Contains(t, v.Notes, "0 operations straddled the cuts of the scenario's own backups, fewer than 100, and 3 the whole backups")
	a.err = errors.New("refused")
	v = r.verdict()
	require.Zero(t, v.Straddling)
	require.Contains(t, v.Notes, "none of the scenario's own backups has succeeded: no operation straddles one")
}

// An answer that is no is counted and shown, and a change that the cluster never made makes the run vacuous; that data cannot be changed now is what
// a scenario aims at.
func TestRefusedChanges(t *testing.T) {
	all := &faults{}
	s := &stage{log: func(string) {}}
	of := func(text string) deed {
		a := scenario.Action{Text: text, Line: 3}
		d := deed{Action: a, record: all.of(a, "")}
		d.record.injected(false)
		return d
	}
	moved, cleaned, created := of("move a shard from dbserver-1 to dbserver-2"), of("clean out dbserver-1"), of("create collection extra")
	require.NoError(t, answered(t.Context(), s, moved, client.ErrNotFound))
	require.NoError(t, answered(t.Context(), s, cleaned, nil))
	require.True(t, notNow(client.ErrLockTimeout))
	require.True(t, notNow(client.ErrNotFound))
	require.False(t, notNow(client.ErrInvalid))
	require.False(t, notNow(nil))
	created.record.meet(1)
	require.NoError(t, answered(t.Context(), s, created, client.ErrUnavailable))
	list, vacuous := all.list()
	require.Equal(t, []string{"line 3: `move a shard from dbserver-1 to dbserver-2` was refused: not found"}, vacuous)
	require.Equal(t, []int{1, 0, 1}, []int{list[0].Refused, list[1].Refused, list[2].Refused})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, answered(ended, s, moved, client.ErrUnavailable), context.Canceled)
}

// A step whose moment never comes makes a run vacuous, whatever it was to do.
func TestNeverDone(t *testing.T) {
	s := parse(t, "do:\n  - at 1s: backup a\n  - after a fails: [backup b, restart dbserver-1, heal]\n")
	r := &run{scenario: s, stage: &stage{faults: &faults{}}}
	p := &script{r}
	all := p.prepared()
	all[0].done = 1
	p.neverDone(all)
	_, faults := r.stage.faults.list()
	require.Equal(t, []string{"line 3: `backup b` was never done: its moment did not come", "line 3: `heal` was never done: its moment did not come"}, r.result.vacuous)
	require.Equal(t, []string{"line 3: `restart dbserver-1` was never done: its moment did not come"}, faults)
}
