package workload

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stasis/lab/history"
)

func (f *forge) set(process int, key string) asked { return f.ask(process, blindly, key, 0, "", nil) }

// States of registers that are forged.
func TestForgedRegisters(t *testing.T) {
	f := forged(t, "register")
	x1 := f.set(1, "x").ok()
	lost := f.ask(2, swap, "x", 0, "what was never there", nil).refused()
	y1 := f.set(2, "y").ok()
	ask := f.h.Now()
	x2 := f.ask(1, swap, "x", 0, x1.id, nil).ok()
	y2 := f.set(1, "y").ok() // the same client, afterwards
	cut := Cut{ask, f.h.Now()}
	x3 := f.set(1, "x").unknown()
	f.holds(State{"x": x1.doc, "y": y1.doc}, cut)
	f.holds(State{"x": x2.doc, "y": y1.doc}, cut)
	got := f.holds(State{"x": x2.doc, "y": y2.doc}, cut)
	require.Equal(t, Findings{Present: 4, Absent: 1, Unknown: 1, Earliest: got.Earliest, Latest: got.Latest}, got)
	f.violates(State{"x": x1.doc, "y": y2.doc}, cut, "not one instant: what y has was there at")
	f.violates(State{"x": x3.doc, "y": y2.doc}, cut, "too late: x has")
	f.violates(State{"y": y1.doc}, cut, "missing: x has nothing")
	f.violates(State{"x": lost.doc, "y": y1.doc}, cut, "no order of what clients did and saw explains it")
	end := f.cut()
	f.holds(State{"x": x2.doc, "y": y2.doc}, end) // x3 may have been done, or not
	f.holds(State{"x": x3.doc, "y": y2.doc}, end)
	f.violates(State{"x": x1.doc, "y": y2.doc}, end, "missing: x has "+x1.id)
	f.see(4, "y", y2.doc)
	f.see(4, "y", y1.doc)
	f.violates(State{"x": x2.doc, "y": y2.doc}, f.cut(), "what clients saw of y has no order")
}

// A client that would replace what it has read, and gets no answer, may have been refused: another was first. Then no order of
// the operations has to find what it had read.
func TestUnknownSwapThatWasRefused(t *testing.T) {
	f := forged(t, "register")
	x1 := f.set(1, "x").ok()
	begun := f.ask(2, swap, "x", 0, x1.id, nil)
	x2 := f.ask(1, swap, "x", 0, x1.id, nil).ok()
	lost := begun.unknown()
	late := f.ask(3, swap, "x", 0, x1.id, nil).unknown() // it had read x1 before x2
	f.holds(State{"x": x2.doc}, f.cut())
	for _, never := range []asked{lost, late} {
		f.violates(State{"x": never.doc}, f.cut(), "x has "+never.id)
	}
	f.see(4, "x", late.doc)
	f.violates(State{"x": x2.doc}, f.cut(), "what clients saw of x has no order")
}

// What cannot be decided within bounds is an error, and no state that holds.
func TestRegistersThatAreNotDecided(t *testing.T) {
	f := forged(t, "register")
	x := f.set(1, "x").ok()
	f.see(1, "x", x.doc)
	cut := f.cut()
	g, err := f.generation(cut.Asked)
	require.NoError(t, err)
	got, err := judgeRegisters(g, State{"x": x.doc}, cut, 1)
	require.ErrorIs(t, err, ErrUndecided)
	require.ErrorContains(t, err, "x: an order of its 2 operations was not found in 1 steps")
	require.Empty(t, got)
	_, err = judgeRegisters(g, State{"x": x.doc}, cut, 100)
	require.NoError(t, err)
	f.set(2, "y").ok()
	y := f.set(2, "y").ok() // what is known to be wrong is wrong, whatever else is not known
	cut = f.cut()
	g, err = f.generation(cut.Asked)
	require.NoError(t, err)
	for most := range int64(20) {
		got, err := judgeRegisters(g, State{"y": y.doc}, cut, most)
		require.True(t, err != nil || len(got.Problems) > 0, "%d steps", most)
	}
}

// The state of any instant of a random history holds. One that is put together from several holds if and only if there is a
// moment at which each register by itself can have been so.
func TestRandomRegisters(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		f := forged(t, "register")
		keys, states := []string{"x", "y"}, []State{{}}
		type running struct {
			asked
			key   string
			taken bool
		}
		open := map[int]*running{}
		begin := f.h.Now()
		for range rapid.IntRange(0, 24).Draw(r, "events") {
			process := rapid.IntRange(0, 3).Draw(r, "process")
			switch o := open[process]; {
			case o == nil:
				key := rapid.SampledFrom(keys).Draw(r, "key")
				if doc := states[len(states)-1][key]; rapid.Bool().Draw(r, "read") {
					f.see(process, key, doc)
					continue
				}
				open[process] = &running{asked: f.set(process, key), key: key}
			case !o.taken:
				o.taken = true
				now := State{}
				for key, doc := range states[len(states)-1] {
					now[key] = doc
				}
				now[o.key] = o.doc
				states = append(states, now)
			default:
				o.ok()
				delete(open, process)
			}
		}
		cut := Cut{begin, f.h.Now()}
		f.holds(rapid.SampledFrom(states).Draw(r, "state"), cut)
		torn := State{}
		for _, key := range keys {
			if doc := rapid.SampledFrom(states).Draw(r, key)[key]; doc != nil {
				torn[key] = doc
			}
		}
		g, err := f.generation(cut.Asked)
		require.NoError(r, err)
		all, err := registersOf(g, torn)
		require.NoError(r, err)
		s := search{window: windowOf(g.ops, cut), cut: cut, most: mostSteps}
		explained := false
		for i := range s.window {
			every := true
			for _, one := range all {
				ok, err := s.ask(one, i, i)
				require.NoError(r, err)
				every = every && ok
			}
			explained = explained || every
		}
		got, err := f.judge(torn, cut, false)
		require.NoError(r, err)
		require.Equal(r, explained, len(got.Problems) == 0, "%v: %v", torn, got.Problems)
	})
}

// Histories of append lists and of registers are as elle-cli's models list-append and rw-register have them.
func TestElle(t *testing.T) {
	for name, want := range map[string][]string{
		"append": {
			`:value [[:append "x" 2]]`, `:value [[:append "x" 2]]`, `:value [[:append "x" 3]]`, `:value [[:append "x" 3]]`, `:value [[:r "x" nil]]`, `:value [[:r "x" [2 3]]]`,
		},
		"register": {
			`:value [[:w "x" "1.1"]]`, `:value [[:w "x" "1.1"]]`, `:value [[:r "x" nil] [:w "x" "1.2"]]`, `:value [[:r "x" "1.1"] [:w "x" "1.2"]]`, `:value [[:r "x" nil]]`, `:value [[:r "x" "1.2"]]`,
		},
	} {
		f := forged(t, name)
		numbers := map[string][]int{"append": {1, 2}, "register": {0, 0}}[name] // registers have no versions
		a := f.ask(1, map[string]string{"append": "append", "register": blindly}[name], "x", numbers[0], "", map[string]any{"list": []int{2}}).ok()
		b := f.ask(1, map[string]string{"append": "append", "register": swap}[name], "x", numbers[1], a.id, map[string]any{"list": []int{2, 3}}).ok()
		f.see(2, "x", b.doc)
		_, as := f.kind.translate()
		var got []string
		for _, e := range history.Events(f.h.Ops(), as) {
			require.Equal(t, history.Keyword("txn"), e.F)
			var line strings.Builder
			require.NoError(t, history.WriteEDN(&line, []history.Event{e}))
			got = append(got, strings.TrimSuffix(line.String()[strings.Index(line.String(), ":value"):], "}\n"))
		}
		require.Equal(t, want, got, name)
	}
	for _, about := range List() {
		models := map[string]string{"append": "list-append", "appends": "list-append", "documents": "", "schema": ""}
		want, other := models[about.Name]
		if !other {
			want = "rw-register"
		}
		require.Equal(t, want, about.Model, about.Name)
	}
}
