package workload

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
	"stasis/lab/history"
)

// A write whose outcome is unknown may be done after a restore. What came before it, and was acknowledged, is gone with the restore:
// that is no hole, and no version that is missing.
func TestLateWriteAfterARestore(t *testing.T) {
	link := func(n int) map[string]any { return map[string]any{"process": 2, "number": n} }
	f := forged(t, "chain")
	first := f.ask(2, "insert", "2-1", 1, "", link(1)).ok()
	one := f.ask(1, "update", "1", 1, "", link(1)).ok()
	cut := f.cut()
	f.ask(2, "insert", "2-2", 1, "", link(2)).ok()
	two := f.ask(1, "update", "1", 2, one.id, link(2)).ok()
	late := f.ask(2, "insert", "2-3", 1, "", link(3)).unknown()
	three := f.ask(1, "update", "1", 3, two.id, link(3)).unknown()
	base := State{"2-1": first.doc, "1": one.doc}
	require.NoError(t, f.note(history.Restored, restoredNote(cut), base))
	f.holds(base, f.cut())
	f.holds(State{"2-1": first.doc, "1": one.doc, "2-3": late.doc}, f.cut())
	f.holds(State{"2-1": first.doc, "1": three.doc}, f.cut())
	f.holds(State{"2-1": first.doc, "1": three.doc, "2-3": late.doc}, f.cut())
	f.violates(State{"2-1": first.doc, "1": two.doc}, f.cut(), "has written no such thing") // it was taken back, and was not unknown

	fourth := f.ask(4, "insert", "4-1", 1, "", map[string]any{"process": 4, "number": 1}).ok()
	fifth := f.ask(4, "insert", "4-2", 1, "", map[string]any{"process": 4, "number": 2}).ok()
	f.violates(State{"2-1": first.doc, "1": one.doc, "4-2": fifth.doc}, f.cut(), "a hole in the chain of process 4")
	f.holds(State{"2-1": first.doc, "1": three.doc, "2-3": late.doc, "4-1": fourth.doc, "4-2": fifth.doc}, f.cut())
	f.violates(State{"1": one.doc, "2-3": late.doc, "4-1": fourth.doc, "4-2": fifth.doc}, f.cut(), "missing: restored state 2.1 of 2-1")
}

// What a client has read is a cause of what it writes, also if it was another client that wrote that, and even if that client does not
// know that it has: of every workload whose documents have versions, and of registers.
func TestReadsAreCauses(t *testing.T) {
	for name, fields := range versioned {
		f := forged(t, name)
		x1 := f.ask(1, kindOf(name, 1), "x", 1, "", fields(1)).ok()
		y1 := f.ask(2, kindOf(name, 1), "y", 1, "", fields(1)).ok()
		x2 := f.ask(1, kindOf(name, 2), "x", 2, x1.id, fields(2))
		f.see(2, "x", x2.doc)
		y2 := f.ask(2, kindOf(name, 2), "y", 2, y1.id, fields(2)).ok()
		x2.unknown()
		f.holds(State{"x": x2.doc, "y": y2.doc}, Cut{})
		f.holds(State{"x": x2.doc, "y": y1.doc}, Cut{})
		f.violates(State{"x": x1.doc, "y": y2.doc}, Cut{}, "an effect without its cause, which process 2 knew")
	}
	f := forged(t, "register")
	x1, y1 := f.set(1, "x").ok(), f.set(2, "y").ok()
	x2 := f.set(1, "x")
	f.see(2, "x", x2.doc)
	y2 := f.set(2, "y").ok()
	x2.unknown()
	f.holds(State{"x": x2.doc, "y": y1.doc}, Cut{})
	f.violates(State{"x": x1.doc, "y": y2.doc}, Cut{}, "not one instant")
}

// The workloads whose documents have no versions are judged by the order of moments too.
func TestATieOfVirtualTimesOfOtherWorkloads(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		for _, name := range []string{"register", "documents"} {
			f := forged(t, name)
			x1, y1 := f.set(1, "x").ok(), f.set(2, "y").ok()
			ask := f.h.Now()
			x2, y2 := f.set(1, "x"), f.set(2, "y")
			y2.ok()
			x2.ok()
			cut := Cut{ask, f.h.Now()}
			got := f.holds(State{"x": x2.doc, "y": y1.doc}, cut)
			require.Equal(t, got.Earliest, got.Latest, "all of it is one moment of virtual time")
			f.holds(State{"x": x1.doc, "y": y2.doc}, cut)
			x3 := f.set(1, "x")
			f.violates(State{"x": x3.doc, "y": y2.doc}, cut, "too late: ")
		}

		f := forged(t, "schema")
		ask := f.h.Now()
		a, b := f.begin(1, creating, "a", nil), f.begin(2, creating, "b", nil)
		b.End(history.OK, nil, nil)
		a.End(history.OK, nil, nil)
		cut := Cut{ask, f.h.Now()}
		got := f.holds(there("a"), cut) // a began at the moment at which b was acknowledged, and before it
		require.Equal(t, got.Earliest, got.Latest)
		f.holds(there("b"), cut)
		f.begin(1, creating, "c", nil)
		f.violates(there("a", "b", "c"), cut, "too late: ")

		for name, w := range inTxns {
			f := forged(t, name)
			one := both(f, name, 1, 1, "one", nil).ok()
			ask := f.h.Now()
			two := both(f, name, 2, 2, "two", one).ok()
			cut := Cut{ask, f.h.Now()}
			got := f.holds(State{w.x: one.doc(w.x), w.y: one.doc(w.y)}, cut)
			require.Equal(t, got.Earliest, got.Latest, "all of it is one moment of virtual time")
			f.holds(State{w.x: two.doc(w.x), w.y: two.doc(w.y)}, cut)
			late := both(f, name, 1, 3, "three", two).ok() // at the same moment, after the cut
			f.violates(State{w.x: late.doc(w.x), w.y: late.doc(w.y)}, cut, "too late: ")
		}
	})
	covered := map[string]bool{"register": true, "documents": true, "schema": true}
	for name := range versioned {
		covered[name] = true
	}
	for name := range inTxns {
		covered[name] = true
	}
	for _, about := range List() {
		require.True(t, covered[about.Name], "no test of a tie of workload %s", about.Name)
	}
}
