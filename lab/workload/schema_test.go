package workload

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stasis/internal/bubbles"
	"stasis/lab/history"
)

func (f *forge) change(process int, kind, name string) {
	f.begin(process, kind, name, nil).End(history.OK, nil, nil)
}

// there is a state with these collections.
func there(names ...string) State {
	s := State{}
	for _, n := range names {
		s[n] = json.RawMessage(`{}`)
	}
	return s
}

// Plans that are forged.
func TestForgedSchemas(t *testing.T) {
	f := forged(t, "schema")
	f.change(1, creating, "old")
	f.change(1, creating, "dropped")
	f.change(1, dropping, "dropped")
	f.begin(2, creating, "refused", nil).End(history.Fail, nil, errors.New("frozen"))
	f.begin(2, creating, "unknown", nil).End(history.Info, nil, errors.New("no answer"))
	ask := f.h.Now()
	f.change(1, creating, "cause")
	f.change(1, creating, "effect")
	f.change(1, dropping, "cause")
	cut := Cut{ask, f.h.Now()}
	f.change(1, creating, "new")
	f.change(1, dropping, "old")
	for _, state := range []State{there("old"), there("old", "unknown"), there("old", "cause"), there("old", "cause", "effect"), there("old", "effect")} {
		f.holds(state, cut)
	}
	got := f.holds(there("old", "effect"), cut)
	require.Equal(t, Findings{Present: 6, Absent: 3, Unknown: 1, Earliest: got.Earliest, Latest: got.Latest}, got)
	f.violates(there(), cut, "missing: the creation of old was acknowledged")
	f.violates(there("old", "new"), cut, "too late: the creation of new began")
	f.violates(there("old", "dropped"), cut, "undead: that dropped is dropped was acknowledged")
	f.violates(there("old", "refused"), cut, "create of refused was refused, and was done nevertheless")
	f.violates(there("old", "stranger"), cut, "stranger is there, and no client created it")
	f.violates(there("old", "cause"), f.cut(), "old is dropped was acknowledged")
	f.change(3, creating, "a")
	ask = f.h.Now()
	f.change(3, dropping, "a")
	f.change(3, creating, "b")
	cut = Cut{ask, f.h.Now()}
	f.holds(there("effect", "new", "a"), cut)
	f.holds(there("effect", "new", "b"), cut)
	f.violates(there("effect", "new", "a", "b"), cut, "not one instant: of all moments")
}

// A collection that comes and goes while a backup is taken, and is not in it, leaves two parts of that time: the instant can be late in
// the second, as another workload may know.
func TestInstantAfterACollectionHasGone(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		f := forged(t, "schema")
		ask := f.h.Now()
		time.Sleep(time.Second)
		f.change(1, creating, "a")
		time.Sleep(time.Second)
		f.change(1, dropping, "a")
		time.Sleep(time.Second)
		got := f.holds(there(), Cut{ask, f.h.Now()})
		require.Zero(t, got.Earliest)
		require.Equal(t, 3*time.Second, got.Latest)
	})
}

// After a restore those collections are there that the backup had; clients go on with others.
func TestSchemasAfterARestore(t *testing.T) {
	f := forged(t, "schema")
	f.change(1, creating, "a")
	cut := f.cut()
	f.change(1, creating, "b")
	require.NoError(t, f.note(history.Restored, restoredNote(cut), there("a")))
	f.holds(there("a"), f.cut())
	f.violates(there("a", "b"), f.cut(), "b is there, and no client created it")
	f.change(2, dropping, "a")
	f.holds(there(), f.cut())
	f.violates(there("a"), f.cut(), "undead: ")
	f.holds(there("a"), cut) // the backup is judged by what was before the restore
}

// The collections of any instant of a random history hold. Those of one process that are put together with those of another
// instant hold if and only if some moment, of all that there are, contradicts none of them.
func TestRandomSchemas(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		f := forged(t, "schema")
		sim := schemaSim{f: f, states: []State{there()}, open: map[int]*history.Call{}, own: map[int][]string{}, taken: map[int]bool{}}
		begin := f.h.Now()
		for n := range rapid.IntRange(0, 30).Draw(r, "events") {
			sim.step(rapid.IntRange(0, 2).Draw(r, "process"), n, rapid.Bool().Draw(r, "create"))
		}
		cut := Cut{begin, f.h.Now()}
		f.holds(rapid.SampledFrom(sim.states).Draw(r, "state"), cut)
		torn := there()
		for process := range 3 {
			for name, doc := range rapid.SampledFrom(sim.states).Draw(r, "torn") {
				if name[0] == fmt.Sprint(process)[0] {
					torn[name] = doc
				}
			}
		}
		explained := false
		for o := begin.Order; o < cut.Returned.Order && !explained; o++ {
			explained = true
			for _, p := range presences(generation{ops: f.h.Ops()}, torn) {
				made, gone := p.made.Order != 0 && p.made.Order <= o, p.dropped.Order != 0 && p.dropped.Order <= o
				explained = explained && (!p.found || p.begun.Order <= o && (p.gone.Order == 0 || p.gone.Order > o)) && (p.found || !made || gone)
			}
		}
		got, err := f.judge(torn, cut, false)
		require.NoError(r, err)
		require.Equal(r, explained, len(got.Problems) == 0, "%v: %v", torn, got.Problems)
	})
}

// schemaSim is clients that create and drop collections, each of its own.
type schemaSim struct {
	f      *forge
	states []State
	open   map[int]*history.Call
	taken  map[int]bool
	own    map[int][]string
	does   [3]struct{ kind, name string }
}

// step is the next thing that happens to a process: it begins something, that takes effect, or that is acknowledged.
func (s *schemaSim) step(process, n int, create bool) {
	do := &s.does[process]
	switch {
	case s.open[process] == nil:
		do.kind, do.name = creating, fmt.Sprintf("%d-%d", process, n)
		if own := s.own[process]; !create && len(own) > 0 {
			do.kind, do.name, s.own[process] = dropping, own[0], own[1:]
		}
		s.open[process], s.taken[process] = s.f.begin(process, do.kind, do.name, nil), false
	case !s.taken[process]:
		s.taken[process] = true
		next := maps.Clone(s.states[len(s.states)-1])
		if do.kind == creating {
			next[do.name] = json.RawMessage(`{}`)
			s.own[process] = append(s.own[process], do.name)
		} else {
			delete(next, do.name)
		}
		s.states = append(s.states, next)
	default:
		s.open[process].End(history.OK, nil, nil)
		delete(s.open, process)
	}
}
