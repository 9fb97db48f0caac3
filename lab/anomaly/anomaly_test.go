package anomaly

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func r(key string, saw ...int) Op { return Op{Key: key, Saw: saw} }

// a appends an element to what was seen.
func a(key string, e int, saw ...int) Op { return Op{Key: key, Append: true, Element: e, Saw: saw} }

func txn(name string, ops ...Op) Txn { return Txn{Name: name, Ops: ops} }

func aborted(t Txn) Txn { t.Outcome = Aborted; return t }

func unknown(t Txn) Txn { t.Outcome = Unknown; return t }

func snapshot(ops ...Op) Txn { return Txn{Name: "S", Ops: ops, Snapshot: true} }

func names(found []Found) (all []Name) {
	for _, f := range found {
		all = append(all, f.Name)
	}
	return all
}

// Each anomaly in a history that has it, and the nearest history that has it not.
func TestAnomalies(t *testing.T) {
	for _, c := range []struct {
		about string
		txns  []Txn
		names []Name
		text  string // in one of them
	}{
		{"nothing", nil, nil, ""},
		{"one after the other", []Txn{txn("T1", a("x", 1)), txn("T2", r("x", 1), a("y", 2)), txn("T3", r("y", 2), a("x", 3, 1))}, nil, ""},

		{"G0: writes in two orders", []Txn{txn("T1", a("x", 1), a("y", 1, 2)), txn("T2", a("x", 2, 1), a("y", 2))}, []Name{G0, G1c}, "T1 -ww x-> T2 -ww y-> T1"},
		{"writes in one order", []Txn{txn("T1", a("x", 1), a("y", 1)), txn("T2", a("x", 2, 1), a("y", 2, 1))}, nil, ""},

		{"G1a: what was aborted is seen", []Txn{aborted(txn("T1", a("x", 1))), txn("T2", r("x", 1))}, []Name{G1a}, "T2 saw 1 in x, which T1 appended, and that was aborted"},
		{"G1a: what was aborted is appended to", []Txn{aborted(txn("T1", a("x", 1))), txn("T2", a("x", 2, 1))}, []Name{G1a}, ""},
		{"what was aborted is not seen", []Txn{aborted(txn("T1", a("x", 1), r("y", 9))), txn("T2", r("x"))}, nil, ""},
		{"what is unknown is seen", []Txn{unknown(txn("T1", a("x", 1))), txn("T2", r("x", 1))}, nil, ""},
		{"what is unknown is not seen", []Txn{unknown(txn("T1", a("x", 1), r("y", 9))), txn("T2", r("x"))}, nil, ""},

		{"G1b: the middle of a transaction", []Txn{txn("T1", a("x", 1), a("x", 2, 1)), txn("T2", r("x", 1))}, []Name{G1b, GSingle}, "T2 saw x end with 1, after which T1 appended more"},
		{"its end", []Txn{txn("T1", a("x", 1), a("x", 2, 1)), txn("T2", r("x", 1, 2))}, nil, ""},

		{"G1c: each sees the other", []Txn{txn("T1", a("x", 1), r("y", 2)), txn("T2", a("y", 2), r("x", 1))}, []Name{G1c}, "-wr "},
		{"G1c: of two kinds", []Txn{txn("T1", a("x", 1), r("y", 2)), txn("T2", a("x", 3, 1), a("y", 2))}, []Name{G1c}, "T1 -wr x-> T2 -wr y-> T1"},
		{"one sees the other", []Txn{txn("T1", a("x", 1), r("y")), txn("T2", a("y", 2), r("x", 1))}, nil, ""},

		{"lost update", []Txn{txn("T0", a("x", 1)), txn("T1", r("x", 1), a("x", 2, 1)), txn("T2", r("x", 1), a("x", 3, 1, 2))}, []Name{GSingle, LostUpdate}, "T1 and T2 both saw x as [1], and both appended to it"},
		{"lost update, and the append too", []Txn{txn("T1", a("x", 2)), txn("T2", a("x", 3))}, []Name{Order, LostUpdate}, "no order of appends explains x: [2], and [3]"},
		{"of two who saw the same one is aborted", []Txn{aborted(txn("T1", a("x", 2))), txn("T2", a("x", 3))}, nil, ""},
		{"two saw the same, and one appends", []Txn{txn("T1", r("x")), txn("T2", r("x"), a("x", 3))}, nil, ""},

		{"G-single: a read between two writes", []Txn{txn("T1", a("x", 1), a("y", 2)), txn("T2", r("x", 1), r("y"))}, []Name{GSingle}, "T2 -rw y-> T1 -wr x-> T2"},
		{"G-single: another value at the second read", []Txn{txn("T1", a("x", 1)), txn("T2", r("x"), r("x", 1))}, []Name{GSingle}, ""},
		{"all of it", []Txn{txn("T1", a("x", 1), a("y", 2)), txn("T2", r("x", 1), r("y", 2))}, nil, ""},
		{"none of it", []Txn{txn("T1", a("x", 1), a("y", 2)), txn("T2", r("x"), r("y"))}, nil, ""},

		{"G2: write skew", []Txn{txn("T1", r("x"), a("y", 1)), txn("T2", r("y"), a("x", 2))}, []Name{G2}, "T1 -rw x-> T2 -rw y-> T1"},
		{"no write skew", []Txn{txn("T1", r("x"), a("y", 1)), txn("T2", r("y", 1), a("x", 2))}, nil, ""},

		{"internal", []Txn{txn("T1", a("x", 1), r("x"))}, []Name{Internal}, "has to see [1], and saw []"},
		{"internal: a second append loses the first", []Txn{txn("T1", a("x", 1), a("x", 2))}, []Name{Internal, Order}, ""},
		{"it sees what it appended", []Txn{txn("T1", a("x", 1), r("x", 1), a("x", 2, 1), r("x", 1, 2))}, nil, ""},

		{"duplicate", []Txn{txn("T1", a("x", 1)), txn("T2", r("x", 1, 1))}, []Name{Duplicate}, "T2 saw 1 twice in x"},
		{"two appended the same", []Txn{txn("T1", a("x", 1)), txn("T2", a("x", 1, 1))}, []Name{Duplicate}, ""},
		{"garbage", []Txn{txn("T1", r("x", 7))}, []Name{Garbage}, "T1 saw 7 in x, which no one appended"},
		{"incompatible order", []Txn{txn("T1", a("x", 1)), unknown(txn("T2", a("x", 2))), txn("T3", r("x", 2, 1))}, []Name{Order, GSingle}, "no order of appends explains x: [1], and [2 1] (T3)"},

		{"gap: a snapshot has an effect without its cause", []Txn{txn("T1", a("x", 1)), txn("T2", r("x", 1), a("y", 2)), snapshot(r("x"), r("y", 2))}, []Name{Gap}, "S -rw x-> T1 -wr x-> T2 -wr y-> S"},
		{"gap: a part of a transaction", []Txn{txn("T1", a("x", 1), a("y", 2)), snapshot(r("x"), r("y", 2))}, []Name{Gap}, "S -rw x-> T1 -wr y-> S"},
		{"gap: by the order of writes", []Txn{txn("T1", a("x", 1), a("z", 3)), txn("T2", a("x", 2, 1), a("y", 2)), snapshot(r("y", 2), r("z"))}, []Name{Gap}, ""},
		{"a snapshot between two", []Txn{txn("T1", a("x", 1)), txn("T2", r("x", 1), a("y", 2)), snapshot(r("x", 1), r("y"))}, nil, ""},
		{"a snapshot of half of a write skew", []Txn{txn("T1", r("x"), a("y", 1)), txn("T2", r("y"), a("x", 2)), snapshot(r("x", 2), r("y"))}, []Name{G2}, ""},
	} {
		found := Check(c.txns)
		require.ElementsMatch(t, c.names, names(found), "%s: %v", c.about, found)
		texts := ""
		for _, f := range found {
			texts += f.Text + "\n"
		}
		require.Contains(t, texts, c.text, c.about)
	}
	for _, n := range []Name{G0, G1a, G1b, G1c, LostUpdate, GSingle, G2, Internal, Duplicate, Garbage, Order, Gap} {
		require.Equal(t, n == GSingle || n == G2, n.Allowed(), n)
	}
}

// running is a transaction of the model.
type running struct {
	Txn
	first, own map[string][]int // what it saw first; what it has appended to
}

// model is a store as Stasis is one: a write has its key to itself until the end, and what was read may not have changed when it is
// written; a read sees what is committed.
type model struct {
	store map[string][]int
	locks map[string]*running
	done  []Txn
	next  int
}

func (m *model) begin() *running {
	m.next++
	return &running{Txn: txn(fmt.Sprintf("T%d", m.next)), first: map[string][]int{}, own: map[string][]int{}}
}

func (m *model) read(x *running, key string) []int {
	saw, wrote := x.own[key]
	if !wrote {
		saw = m.store[key]
	}
	if _, seen := x.first[key]; !seen {
		x.first[key] = saw
	}
	return slices.Clone(saw)
}

// append says whether the transaction can go on.
func (m *model) append(x *running, key string) bool {
	if holder := m.locks[key]; holder != nil && holder != x {
		return false
	}
	saw := m.read(x, key)
	if _, wrote := x.own[key]; !wrote && !slices.Equal(x.first[key], saw) {
		return false
	}
	m.locks[key] = x
	m.next++
	x.own[key] = append(slices.Clone(saw), m.next)
	x.Ops = append(x.Ops, a(key, m.next, saw...))
	return true
}

func (m *model) end(x *running, commit bool) {
	if !commit {
		x.Outcome = Aborted
	}
	for key, list := range x.own {
		if commit {
			m.store[key] = list
		}
		delete(m.locks, key)
	}
	m.done = append(m.done, x.Txn)
}

// step does something with one of the transactions that run.
func (m *model) step(all []*running, draw func(n int) int) {
	i, key := draw(len(all)), string(rune('x'+draw(3)))
	x := all[i]
	switch what := draw(8); {
	case what < 3:
		x.Ops = append(x.Ops, r(key, m.read(x, key)...))
	case what < 6 && m.append(x, key):
	default:
		m.end(x, what != 7 && what >= 6)
		all[i] = m.begin()
	}
}

func (m *model) snapshot() Txn {
	return snapshot(r("x", m.store["x"]...), r("y", m.store["y"]...), r("z", m.store["z"]...))
}

// A store that keeps what Stasis promises never has an anomaly that is not allowed, and a snapshot of it no gap, whatever it did before and
// does afterwards.
func TestWhatStasisPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "") }
		m := &model{store: map[string][]int{}, locks: map[string]*running{}}
		all := []*running{m.begin(), m.begin(), m.begin()}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			m.step(all, draw)
			if draw(20) == 0 {
				m.done = append(m.done, m.snapshot())
			}
		}
		for _, f := range Check(m.done) {
			if !f.Name.Allowed() {
				t.Fatalf("%v in %v", f, m.done)
			}
		}
	})
}

// What is allowed happens in such a store, and a store without one of its rules shows what is not: the check can see it.
func TestWhatTheCheckCanSee(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	run := func(broken func(*model)) map[Name]int {
		count := map[Name]int{}
		for range 200 {
			m := &model{store: map[string][]int{}, locks: map[string]*running{}}
			all := []*running{m.begin(), m.begin(), m.begin()}
			for range 60 {
				m.step(all, random.IntN)
				broken(m)
			}
			for _, f := range Check(m.done) {
				count[f.Name]++
			}
		}
		return count
	}
	sound := run(func(*model) {})
	require.Positive(t, sound[GSingle])
	require.Positive(t, sound[G2])
	require.Len(t, sound, 2)
	unlocked := run(func(m *model) { clear(m.locks) })
	require.Positive(t, unlocked[LostUpdate])
	half := run(func(m *model) { // a backup without locks: of two keys at one time, of the third later
		if len(m.done)%5 == 4 {
			s := m.done[len(m.done)-1]
			m.done[len(m.done)-1] = m.snapshot()
			m.done[len(m.done)-1].Ops[2] = r("z")
			m.done = append(m.done, s)
		}
	})
	require.Positive(t, half[Gap])
}

// A long chain of transactions takes no recursion, and a large component little time.
func TestManyTransactions(t *testing.T) {
	var all []Txn
	const n, length = 20000, 40 // a list is full then, and the next one follows it
	list := func(i int) (key string, before []int) {
		for j := i - i%length; j < i; j++ {
			before = append(before, j)
		}
		return fmt.Sprint("l", i/length), before
	}
	for i := range n {
		key, before := list(i)
		ops := []Op{a(key, i, before...)}
		if i%length == 0 && i > 0 {
			last, whole := list(i - 1)
			ops = append(ops, r(last, append(whole, i-1)...))
		}
		all = append(all, txn(fmt.Sprint(i), ops...))
	}
	require.Empty(t, Check(all))
	first, saw := list(0)
	all[n-1].Ops = append(all[n-1].Ops, r(first, saw...)) // as if it had been the first of all
	found := Check(all)
	require.Equal(t, []Name{GSingle}, names(found))
	require.Equal(t, 1, found[0].Count)
}
