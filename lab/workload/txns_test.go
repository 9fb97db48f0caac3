package workload

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stasis/lab/history"
)

// inTxns are the workloads of transactions, each with what its documents say at a version, so that nothing but their atomicity is in
// question. x and y are what a transaction writes together.
var inTxns = map[string]struct {
	x, y   string
	fields func(key string, n int) map[string]any
}{
	"transfers": {"1/purse-0", "2/purse-1", func(string, int) map[string]any { return map[string]any{"balance": initialBalance} }},
	"together":  {"1/other-0", "2/other-0", func(_ string, n int) map[string]any { return map[string]any{"value": n} }},
	"appends": {"1/row-0-0", "2/row-1-0", func(key string, n int) map[string]any {
		first := map[string]int{"1/row-0-0": 10, "2/row-1-0": 20}[key]
		return map[string]any{"list": []int{first + 1, first + 2, first + 3, first + 4}[:n]}
	}},
	"links": {"1/other-0", "2/other-0", func(_ string, n int) map[string]any { return map[string]any{"number": n} }},
}

// both is a transaction that reads and writes the version n of both documents.
func both(f *forge, name string, process, n int, id string, before *deal) *deal {
	w, d := inTxns[name], f.deal(process, "write", id)
	for _, key := range []string{w.x, w.y} {
		last := ""
		if before != nil {
			last = before.ID
			d.saw(key, before.doc(key))
		} else {
			d.saw(key, nil)
		}
		d.wrote(key, n, last, w.fields(key, n))
	}
	return d
}

// A transaction is in a state whole or not at all: of every workload.
func TestTransactionsAreWhole(t *testing.T) {
	for name, w := range inTxns {
		t.Run(name, func(t *testing.T) {
			f := forged(t, name)
			one := both(f, name, 1, 1, "one", nil).ok()
			asked := f.h.Now()
			two := both(f, name, 2, 2, "two", one).ok()
			cut := Cut{asked, f.h.Now()}
			old, young := State{w.x: one.doc(w.x), w.y: one.doc(w.y)}, State{w.x: two.doc(w.x), w.y: two.doc(w.y)}
			f.holds(old, cut)
			got := f.holds(young, cut)
			require.Equal(t, 4, got.Present, "documents")
			for _, torn := range []State{{w.x: two.doc(w.x), w.y: one.doc(w.y)}, {w.x: one.doc(w.x), w.y: two.doc(w.y)}} {
				f.violates(torn, cut, "a part of a transaction: of write two of process 2, ")
			}
			f.violates(State{w.x: one.doc(w.x)}, cut, "missing: ")
			f.violates(old, f.cut(), "missing: ")
			third := both(f, name, 1, 3, "three", two).ok()
			f.violates(State{w.x: third.doc(w.x), w.y: third.doc(w.y)}, cut, "too late: ")
		})
	}
}

// One that was aborted is in no state, one of which nothing is known may be, whole; one whose commit was not sent is not, and one whose
// client ended in the middle is whole, too.
func TestOutcomesOfTransactions(t *testing.T) {
	for name, w := range inTxns {
		t.Run(name, func(t *testing.T) {
			states := func(one, two *deal) (old, young, torn State) {
				return State{w.x: one.doc(w.x), w.y: one.doc(w.y)}, State{w.x: two.doc(w.x), w.y: two.doc(w.y)}, State{w.x: one.doc(w.x), w.y: two.doc(w.y)}
			}
			f := forged(t, name)
			one := both(f, name, 1, 1, "one", nil).ok()
			old, young, _ := states(one, both(f, name, 2, 2, "two", one).aborted())
			f.holds(old, f.cut())
			f.violates(young, f.cut(), "was refused, and was done nevertheless")

			for _, end := range []func(*deal) *deal{(*deal).unknown, (*deal).send} {
				f = forged(t, name)
				one = both(f, name, 1, 1, "one", nil).ok()
				old, young, torn := states(one, end(both(f, name, 2, 2, "two", one)))
				require.Equal(t, 2, f.holds(old, f.cut()).Unknown)
				f.holds(young, f.cut())
				f.violates(torn, f.cut(), "a part of a transaction")
			}

			f = forged(t, name)
			one = both(f, name, 1, 1, "one", nil).ok()
			old, young, _ = states(one, both(f, name, 2, 2, "two", one).record()) // it was ended before the commit
			f.holds(old, f.cut())
			f.violates(young, f.cut(), "was refused, and was done nevertheless")

			f = forged(t, name)
			one = both(f, name, 1, 1, "one", nil).ok()
			two := both(f, name, 2, 2, "two", one)
			early := f.cut()
			_, young, _ = states(one, two.ok())
			f.violates(young, early, "too late: ") // its commit was sent after the backup had returned
		})
	}
}

// Who has seen one write of a transaction sees all of them later; who has seen none may see them later.
func TestWhatReadersSeeOfTransactions(t *testing.T) {
	for name, w := range inTxns {
		t.Run(name, func(t *testing.T) {
			f := forged(t, name)
			one := both(f, name, 1, 1, "one", nil).ok()
			two := both(f, name, 2, 2, "two", one)
			f.deal(3, history.Read, "early").saw(w.x, one.doc(w.x)).ok()
			two.send()
			skewed := f.deal(4, history.Read, "skewed").saw(w.x, one.doc(w.x))
			skewed.saw(w.y, two.doc(w.y)).ok() // allowed: it was committed between the two reads
			two.ok()
			end := State{w.x: two.doc(w.x), w.y: two.doc(w.y)}
			got := f.holds(end, f.cut())
			if name == "appends" {
				require.Contains(t, fmt.Sprint(got.Notes), "G-single, which the isolation level allows")
			}
			f.deal(5, history.Read, "stale").saw(w.x, one.doc(w.x)).ok()
			f.violates(end, f.cut(), "what clients saw has no order")

			f = forged(t, name)
			one = both(f, name, 1, 1, "one", nil).ok()
			two = both(f, name, 2, 2, "two", one).send()
			f.deal(3, history.Read, "first").saw(w.x, two.doc(w.x)).ok()
			f.deal(4, history.Read, "second").saw(w.y, one.doc(w.y)).ok() // another client, of another document
			two.ok()
			f.violates(end, f.cut(), "what clients saw has no order")
		})
	}
}

// Of a transaction that was restored, and whose outcome its client does not know, a part can have been written over before the backup was
// taken: what is below what was restored is nobody's.
func TestUnknownTransactionInARestoredState(t *testing.T) {
	for name, w := range inTxns {
		f := forged(t, name)
		one := both(f, name, 1, 1, "one", nil).ok()
		two := both(f, name, 2, 2, "two", one).unknown()
		over := f.deal(3, "write", "over").saw(w.x, two.doc(w.x)).wrote(w.x, 3, "two", w.fields(w.x, 3)).ok()
		cut := f.cut()
		base := State{w.x: over.doc(w.x), w.y: two.doc(w.y)}
		f.holds(base, cut)
		require.NoError(t, f.note(history.Restored, restoredNote(cut), base))
		f.holds(base, f.cut())
		later := f.deal(4, "write", "later").saw(w.x, over.doc(w.x)).wrote(w.x, 4, "over", w.fields(w.x, 4))
		later.saw(w.y, two.doc(w.y)).wrote(w.y, 3, "two", w.fields(w.y, 3)).unknown()
		f.holds(base, f.cut())
		f.violates(State{w.x: later.doc(w.x), w.y: two.doc(w.y)}, f.cut(), "part of a transaction")
	}
}

// What each workload sees by the state alone.
func TestForgedStatesOfTransactions(t *testing.T) {
	f := forged(t, "transfers")
	open := f.deal(1, "open", "open")
	for _, key := range []string{"1/purse-0", "2/purse-1"} {
		open.wrote(key, 1, "", map[string]any{"balance": initialBalance})
	}
	open.ok()
	move := f.deal(1, "transfer", "move").wrote("1/purse-0", 2, "open", map[string]any{"balance": 990}).wrote("2/purse-1", 2, "open", map[string]any{"balance": 1010}).ok()
	f.holds(state(map[string]*deal{"1/purse-0": move, "2/purse-1": move}), f.cut())
	f.violates(state(map[string]*deal{"1/purse-0": open, "2/purse-1": move}), f.cut(), "the total of 2 accounts is 2010: want 2000")

	f = forged(t, "together")
	all := f.deal(1, "write", "all")
	whole := State{}
	for _, key := range (together{}).keys(3) {
		all.wrote(key, 1, "", map[string]any{"value": 7})
		whole[key] = nil
	}
	all.ok()
	for key := range whole {
		whole[key] = all.doc(key)
	}
	f.holds(whole, f.cut())
	for key := range whole {
		torn := State{}
		for other, doc := range whole {
			if other != key {
				torn[other] = doc
			}
		}
		f.violates(torn, f.cut(), "not all or nothing: number 3 has [")
	}

	f = forged(t, "links")
	x := links{}
	head, key := headKey(0), func(n int) string { return x.linkKey(0, n) }
	link := func(id string, n, mark, previous int, before string) *deal {
		fields := map[string]any{"number": n, "mark": mark, "previous": previous}
		return f.deal(1, "link", id).wrote(key(n), 1, "", fields).wrote(head, n, before, fields).ok()
	}
	a := link("a", 1, 71, 0, "")
	b := link("b", 2, 72, 71, "a")
	c := link("c", 3, 73, 72, "b")
	f.holds(state(map[string]*deal{key(1): a, key(2): b, key(3): c, head: c}), f.cut())
	f.violates(state(map[string]*deal{key(1): a, key(3): c, head: c}), f.cut(), "a gap in chain 0: link 2 of 3 is not there")
	f.violates(state(map[string]*deal{key(1): a, key(2): b, key(3): c, head: b}), f.cut(), "chain 0 has 3 links, and its head says 2")
	wrong := state(map[string]*deal{key(1): a, key(2): b, key(3): c, head: c})
	wrong[key(2)] = raw(t, map[string]any{"n": 1, "id": "b", "number": 2, "mark": 72, "previous": 70})
	f.violates(wrong, f.cut(), "chain 0 is broken: link 1 is 71, and the one after it, or the head, says that it is 70")
}

// The anomalies of package anomaly are found in what transactions wrote down, and in a backup.
func TestForgedAppends(t *testing.T) {
	list := func(l ...int) map[string]any { return map[string]any{"list": l} }
	f := forged(t, "appends")
	a := f.deal(1, "append", "a").saw("1/x", nil).wrote("1/x", 1, "", list(11))
	b := f.deal(2, "append", "b").saw("1/x", nil).wrote("1/x", 1, "", list(12)).ok()
	a.ok()
	f.violates(State{"1/x": b.doc("1/x")}, f.cut(), "lost update, 1 times: append a and append b both saw 1/x as []")

	f = forged(t, "appends") // write skew
	a = f.deal(1, "append", "a").saw("1/x", nil).saw("2/y", nil)
	b = f.deal(2, "append", "b").saw("1/x", nil).saw("2/y", nil).wrote("2/y", 1, "", list(12)).ok()
	a.wrote("1/x", 1, "", list(11)).ok()
	end := State{"1/x": a.doc("1/x"), "2/y": b.doc("2/y")}
	got := f.holds(end, f.cut())
	require.Len(t, got.Notes, 1)
	require.Contains(t, got.Notes[0], "G2, which the isolation level allows")

	f = forged(t, "appends")
	a = f.deal(1, "append", "a").saw("1/x", nil).wrote("1/x", 1, "", list(11)).ok()
	cut := Cut{} // it is not known when the backup was taken
	b = f.deal(2, "append", "b").saw("1/x", a.doc("1/x")).saw("2/y", nil).wrote("2/y", 1, "", list(12)).ok()
	f.violates(State{"2/y": b.doc("2/y")}, cut, "gap, 1 times: the state -rw 1/x-> append a -wr 1/x-> append b -wr 2/y-> the state")
	f.holds(State{"1/x": a.doc("1/x")}, cut)

	state := State{"1/x": a.doc("1/x")}
	require.NoError(t, f.note(history.Restored, restoredNote(f.cut()), state))
	f.deal(3, "append", "c").saw("1/x", a.doc("1/x")).saw("2/y", b.doc("2/y")).ok()
	f.violates(state, f.cut(), "garbage, 1 times: append c saw 12 in 2/y, which no one appended")
}

// The state of one instant has no problem, whatever transactions there were, and one that was put together of two instants is found,
// unless it is that of another one.
func TestRandomTransactions(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		f := forged(t, "together")
		keys := []string{"1/a", "2/b", "3/c", "4/d"}
		now, states, unknown := map[string]*deal{}, []State{{}}, false
		asked := f.h.Now()
		for i := range rapid.IntRange(1, 12).Draw(r, "transactions") {
			d := f.deal(i, "write", fmt.Sprint("t", i))
			for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom(keys), 1, 4, rapid.ID).Draw(r, "keys") {
				n, before := 1, ""
				if last := now[key]; last != nil {
					v, err := versionOf(last.doc(key))
					require.NoError(r, err)
					n, before = v.N+1, v.ID
				}
				d.wrote(key, n, before, map[string]any{"value": i})
				now[key] = d
			}
			if rapid.Bool().Draw(r, "known") {
				d.ok()
			} else {
				d.unknown()
				unknown = true
			}
			states = append(states, state(now))
		}
		cut := Cut{asked, f.h.Now()}
		draw := rapid.IntRange(0, len(states)-1)
		one, other := states[draw.Draw(r, "one")], states[draw.Draw(r, "other")]
		f.holds(one, cut)
		mixed := State{}
		for i, key := range keys {
			from := one
			if i >= 2 {
				from = other
			}
			if doc, there := from[key]; there {
				mixed[key] = doc
			}
		}
		same := false
		for _, s := range states {
			same = same || fmt.Sprint(s) == fmt.Sprint(mixed)
		}
		got, err := f.judge(mixed, cut, true)
		require.NoError(r, err)
		require.True(r, same == (len(got.Problems) == 0) || unknown && !same, "%v", got.Problems) // without what is unknown another state may be right
	})
}
