package workload

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stasis/internal/bubbles"
	"stasis/lab/history"
)

// versioned are the workloads whose documents have versions, each with what its documents say.
var versioned = map[string]func(n int) map[string]any{
	"all-or-nothing": func(n int) map[string]any { return map[string]any{"left": fmt.Sprint(n), "right": fmt.Sprint(n)} },
	"append":         func(n int) map[string]any { return map[string]any{"list": []int{1, 2, 3}[:n]} },
	"bank": func(n int) map[string]any {
		return map[string]any{"balance": initialBalance, "amount": 0}
	},
	"chain":   func(n int) map[string]any { return map[string]any{"process": 1, "number": n} },
	"counter": func(n int) map[string]any { return map[string]any{"count": n, "amount": 1} },
}

// kindOf is the write that makes a version. The bank's accounts are opened first.
func kindOf(name string, n int) string {
	if name == "bank" && n == 1 {
		return "open"
	}
	return map[string]string{"append": "append", "counter": "add", "bank": "give"}[name]
}

// States that are forged, of every workload whose documents have versions.
func TestForgedStates(t *testing.T) {
	for name, fields := range versioned {
		t.Run(name, func(t *testing.T) {
			f := forged(t, name)
			put := func(process int, key string, n int, before string) asked {
				return f.ask(process, kindOf(name, n), key, n, before, fields(n))
			}
			x1 := put(1, "x", 1, "").ok()
			y1 := put(2, "y", 1, "").ok()
			ask := f.h.Now()
			x2 := put(1, "x", 2, x1.id).ok() // while the backup is taken
			y2 := put(1, "y", 2, y1.id).ok() // the same client, afterwards
			cut := Cut{ask, f.h.Now()}
			x3 := put(1, "x", 3, x2.id).ok()
			old := State{"x": x1.doc, "y": y1.doc}
			f.holds(old, cut)
			f.holds(State{"x": x2.doc, "y": y1.doc}, cut)
			got := f.holds(State{"x": x2.doc, "y": y2.doc}, cut)
			require.Equal(t, 4, got.Present)
			require.Equal(t, 1, got.Absent)
			f.violates(State{"x": x1.doc, "y": y2.doc}, cut, "an effect without its cause, which process 1 knew")
			f.violates(State{"y": y1.doc}, cut, "missing: ")
			f.violates(State{"x": x3.doc, "y": y2.doc}, cut, "too late: ")
			f.violates(State{"x": x2.doc, "y": y2.doc}, Cut{Asked: f.h.Now()}, "missing: ")
			strange := map[string]any{"n": 4, "id": "no client's"}
			for field, value := range fields(3) {
				strange[field] = value
			}
			f.violates(State{"x": raw(t, strange), "y": y1.doc}, cut, "has written no such thing")
			var altered map[string]any
			require.NoError(t, json.Unmarshal(x2.doc, &altered))
			altered["more"] = true
			f.violates(State{"x": raw(t, altered), "y": y1.doc}, cut, " was written")
			f.violates(State{"x": x1.doc, "y": json.RawMessage(`{}`)}, cut, "no client wrote")
		})
	}
}

// A write without an answer may be there or not; one that was refused may not.
func TestForgedOutcomes(t *testing.T) {
	for name, fields := range versioned {
		f := forged(t, name)
		x1 := f.ask(1, kindOf(name, 1), "x", 1, "", fields(1)).ok()
		x2 := f.ask(1, kindOf(name, 2), "x", 2, x1.id, fields(2)).unknown()
		for _, doc := range []json.RawMessage{x1.doc, x2.doc} {
			require.Equal(t, 1, f.holds(State{"x": doc}, f.cut()).Unknown, name)
		}
		refused := f.ask(3, kindOf(name, 2), "x", 2, x1.id, fields(2)).refused()
		f.holds(State{"x": x1.doc}, f.cut())
		f.violates(State{"x": refused.doc}, f.cut(), "was refused, and was done nevertheless")
	}
}

// In virtual time a write ends, and the next begins, at one and the same moment. That is no violation: moments are
// ordered by their number.
func TestATieOfVirtualTimesIsNoViolation(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		for name, fields := range versioned {
			f := forged(t, name)
			x1 := f.ask(1, kindOf(name, 1), "x", 1, "", fields(1)).ok()
			y1 := f.ask(2, kindOf(name, 1), "y", 1, "", fields(1)).ok()
			ask := f.h.Now()
			x2 := f.ask(1, kindOf(name, 2), "x", 2, x1.id, fields(2))
			y2 := f.ask(2, kindOf(name, 2), "y", 2, y1.id, fields(2))
			y2.ok()
			x2.ok()
			cut := Cut{ask, f.h.Now()}
			got := f.holds(State{"x": x2.doc, "y": y1.doc}, cut) // x2 began at the moment at which y2 was acknowledged, and before it
			require.Equal(t, got.Earliest, got.Latest, "all of it is one moment of virtual time")
			f.holds(State{"x": x1.doc, "y": y2.doc}, cut)
			x3 := f.ask(1, kindOf(name, 3), "x", 3, x2.id, fields(3))
			f.violates(State{"x": x3.doc, "y": y2.doc}, cut, "too late: ")
		}
	})
}

// Each workload sees by itself what its documents may not say.
func TestForgedDocuments(t *testing.T) {
	f := forged(t, "all-or-nothing")
	half := f.ask(1, "write", "x", 1, "", map[string]any{"left": "a", "right": "b"}).ok()
	f.violates(State{"x": half.doc}, f.cut(), "half: ")

	f = forged(t, "counter")
	one := f.ask(1, "add", "x", 1, "", map[string]any{"count": 5, "amount": 5}).ok()
	wrong := f.ask(1, "add", "x", 2, one.id, map[string]any{"count": 7, "amount": 3}).ok()
	f.violates(State{"x": wrong.doc}, f.cut(), "the count of x is 7: want from 8")

	high := f.ask(1, "add", "y", 1, "", map[string]any{"count": 7, "amount": 3}).ok()
	f.violates(State{"x": wrong.doc, "y": high.doc}, f.cut(), "the count of y is 7: want from 3, which were acknowledged before the instant could be, to 3,")

	f = forged(t, "bank")
	for _, key := range []string{"a", "b"} {
		f.ask(9, "open", key, 1, "", map[string]any{"balance": 1000, "amount": 0}).ok()
	}
	took := f.ask(1, "take", "a", 2, "9.1", map[string]any{"balance": 990, "amount": -10}).ok()
	b := raw(t, map[string]any{"_key": "b", "n": 1, "id": "9.2", "balance": 1000, "amount": 0})
	f.holds(State{"a": took.doc, "b": b}, f.cut())
	f.ask(1, "take", "a", 3, took.id, map[string]any{"balance": 970, "amount": -20})
	more := f.ask(1, "take", "a", 3, took.id, map[string]any{"balance": 970, "amount": -20}).ok()
	f.violates(State{"a": more.doc, "b": b}, f.cut(), "process 1 has taken 30 and not given it")

	f = forged(t, "chain")
	first := f.ask(2, "insert", "2-1", 1, "", map[string]any{"process": 2, "number": 1}).ok()
	second := f.ask(2, "insert", "2-2", 1, "", map[string]any{"process": 2, "number": 2}).ok()
	f.holds(State{"2-1": first.doc, "2-2": second.doc}, f.cut())
	f.violates(State{"2-2": second.doc}, f.cut(), "a hole in the chain of process 2")
}

// The anomalies that Elle finds in lists.
func TestForgedLists(t *testing.T) {
	list := func(l ...int) map[string]any { return map[string]any{"list": l} }
	for want, make := range map[string]func(f *forge) State{
		"2 is twice in x": func(f *forge) State {
			a := f.ask(1, "append", "x", 1, "", list(2)).ok()
			return State{"x": f.ask(1, "append", "x", 2, a.id, list(2, 2)).ok().doc}
		},
		"7 is in x, and no client appended it": func(f *forge) State {
			a := f.ask(1, "append", "x", 1, "", list(2)).ok()
			return State{"x": f.ask(1, "append", "x", 2, a.id, list(7, 3)).ok().doc}
		},
		"3 is in x, and was refused": func(f *forge) State {
			a := f.ask(1, "append", "x", 1, "", list(2)).ok()
			f.ask(2, "append", "x", 2, a.id, list(2, 3)).refused()
			return State{"x": f.ask(1, "append", "x", 2, a.id, list(2, 3, 4)).ok().doc}
		},
		"no order of appends explains x": func(f *forge) State {
			a := f.ask(1, "append", "x", 1, "", list(2)).ok()
			b := f.ask(1, "append", "x", 2, a.id, list(2, 3)).ok()
			f.see(2, "x", raw(f.t, map[string]any{"_key": "x", "n": 2, "id": b.id, "list": []int{3, 2}}))
			return State{"x": b.doc}
		},
		"what clients saw has no order": func(f *forge) State { // read before it began
			a := f.ask(1, "append", "x", 1, "", list(2)).ok()
			b := raw(f.t, map[string]any{"_key": "x", "n": 2, "id": "1.2", "list": []int{2, 3}})
			f.see(2, "x", b)
			f.ask(1, "append", "x", 2, a.id, list(2, 3)).ok()
			return State{"x": b}
		},
		"missing: ": func(f *forge) State {
			a := f.ask(1, "append", "x", 1, "", list(2)).ok()
			f.ask(1, "append", "x", 2, a.id, list(2, 3)).ok()
			return State{"x": a.doc}
		},
	} {
		f := forged(t, "append")
		f.violates(make(f), f.cut(), want)
	}
}

// A state that is taken at one instant of a random history always passes; one that is made by taking what each chain had
// at another instant passes if and only if some single instant explains it too. Times have many ties.
func TestRandomHistories(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		f := forged(t, "chain")
		chains := rapid.IntRange(1, 4).Draw(r, "chains")
		type event struct{ chain, order int }
		var effects []event // of which chain, and after how many moments
		open, docs := make([]*asked, chains), make([][]json.RawMessage, chains)
		begins, ends, taken := map[[2]int]uint64{}, map[[2]int]uint64{}, make([]bool, chains)
		begin := f.h.Now()
		for range rapid.IntRange(0, 30).Draw(r, "events") {
			switch i := rapid.IntRange(0, chains-1).Draw(r, "chain"); {
			case open[i] == nil:
				n := len(docs[i]) + 1
				before := ""
				if n > 1 {
					v, err := versionOf(docs[i][n-2])
					require.NoError(r, err)
					before = v.ID
				}
				a := f.ask(2*i+1, "update", fmt.Sprint(2*i+1), n, before, map[string]any{"process": 2*i + 1, "number": n})
				open[i], taken[i], docs[i] = &a, false, append(docs[i], a.doc)
				begins[[2]int{i, n}] = f.h.Now().Order
			case !taken[i]:
				taken[i] = true
				effects = append(effects, event{i, int(f.h.Now().Order)})
			default:
				ends[[2]int{i, len(docs[i])}] = open[i].End(history.OK, nil, nil).EndOrder
				open[i] = nil
			}
		}
		last := int(f.h.Now().Order)
		cut := Cut{begin, f.h.Now()}
		state := func(counts []int) State {
			s := State{}
			for i, n := range counts {
				if n > 0 {
					s[fmt.Sprint(2*i+1)] = docs[i][n-1]
				}
			}
			return s
		}
		at := func(i, instant int) (n int) {
			for _, e := range effects {
				if e.chain == i && e.order <= instant {
					n++
				}
			}
			return n
		}
		counts := make([]int, chains)
		instant := rapid.IntRange(0, last).Draw(r, "instant")
		for i := range counts {
			counts[i] = at(i, instant)
		}
		f.holds(state(counts), cut)
		for i := range counts {
			counts[i] = at(i, rapid.IntRange(0, last).Draw(r, "torn"))
		}
		explained := false
		for o := begin.Order; o <= cut.Returned.Order && !explained; o++ { // by trying all
			explained = true
			for i := range counts {
				for n := 1; n <= len(docs[i]); n++ {
					end := ends[[2]int{i, n}]
					explained = explained && (n > counts[i] || begins[[2]int{i, n}] <= o+1) && (n <= counts[i] || end == 0 || end > o)
				}
			}
		}
		got, err := f.judge(state(counts), cut, true)
		require.NoError(r, err)
		require.Equal(r, explained, len(got.Problems) == 0, got.Problems)
	})
}

// What clients saw before a restore is judged with a backup from before it: the state at the end shows nothing of it.
func TestStaleReadBeforeARestore(t *testing.T) {
	f := forged(t, "bank")
	x := f.ask(1, "open", "account-0", 1, "", map[string]any{"balance": 1000, "amount": 0}).ok()
	cut := f.cut()
	y := f.ask(1, "take", "account-0", 2, x.id, map[string]any{"balance": 990, "amount": -10}).ok()
	f.see(2, "account-0", y.doc)
	f.see(2, "account-0", x.doc)
	state := State{"account-0": x.doc}
	got, err := f.judge(state, cut, false)
	require.NoError(t, err)
	require.Empty(t, got.Problems, "the backup is right, and the end of the run is still to be judged")
	require.NoError(t, f.note(history.Restored, restoredNote(cut), state))
	got, err = f.judge(state, cut, false)
	require.NoError(t, err)
	require.Contains(t, fmt.Sprint(got.Problems), "what clients saw has no order")
	f.holds(state, f.cut())
}
