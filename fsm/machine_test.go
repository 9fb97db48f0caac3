package fsm

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the public suites of ArangoDB check, in their order.
func TestReferenceChecks(t *testing.T) {
	t.Run("delete leaves the parent", func(t *testing.T) {
		m := New(10)
		write(t, m, `[{"x/y":12}]`)
		require.Equal(t, `{"x":{"y":12}}`, read(m, "/x/y"))
		write(t, m, `[{"x/y":{"op":"delete"}}]`)
		require.Equal(t, `{"x":{}}`, read(m, "/x"))
	})
	t.Run("the same precondition fails the second time", func(t *testing.T) {
		m := machineWith(t, `{"a":12}`)
		require.Equal(t, []uint64{2}, indices(apply(t, m, `[{"/a":13},{"/a":12}]`)))
		require.Equal(t, []uint64{0}, indices(apply(t, m, `[{"/a":13},{"/a":12}]`)))
	})
	t.Run("the middle one of three fails", func(t *testing.T) {
		m := machineWith(t, `{"a":1}`)
		require.Equal(t, []uint64{2, 0, 3}, indices(apply(t, m, `[{"/b":1}]`, `[{"/c":1},{"/a":1,"/b":2}]`, `[{"/d":1}]`)))
		require.Equal(t, `{"a":1,"b":1,"d":1}`, tree(m))
	})
	t.Run("several transactions and paths", func(t *testing.T) {
		m := New(10)
		apply(t, m, `[{"a":{"b":{"c":[1,2,4]},"e":12},"d":false}]`, `[{"a":{"b":{"c":[1,2,3]}}}]`)
		require.Equal(t, `{"a":{}}`, read(m, "a/e"))
		require.Equal(t, `{"a":{"b":{"c":[1,2,3]}},"d":false}`, read(m, "d", "a/b"))
	})
	t.Run("a read between two writes of one request", func(t *testing.T) {
		m := New(10)
		apply(t, m, `[{"/x":11}]`, `[{"/x":12}]`)
		before := m.State()
		o := apply(t, m, `[{"/x":{"op":"increment"}}]`, `[{"/x":5},{"/x":{"old":7}}]`)
		require.Equal(t, `{"x":12}`, before.Read([]string{"/x"}).String())
		require.EqualValues(t, 3, o[0].Index)
		require.Equal(t, `{"x":13}`, o[0].State.Read([]string{"/x"}).String())
		require.Equal(t, `{"x":13}`, o[1].State.Read(o[1].Failed).String(), "what a failed precondition found")
	})
	t.Run("odd segments", func(t *testing.T) {
		m := New(10)
		for i, seg := range []string{" ", "\n", `\`, "!!@#$%^&*)", "ä", "\u2028", "%2F", "."} {
			raw, err := json.Marshal([]any{map[string]any{"/odd/" + seg: i}})
			require.NoError(t, err)
			write(t, m, string(raw))
			got, ok := m.State().Root().At("odd//" + seg).Int()
			require.True(t, ok, seg)
			require.EqualValues(t, i, got)
		}
		require.Equal(t, 8, m.State().Root().At("odd").Len())
	})
}

func TestTwentyThousandIncrements(t *testing.T) {
	m := New(100)
	c := Command{Time: testTime}
	for range 20_000 {
		c.Transactions = append(c.Transactions, tx(t, `[{"/counter":{"op":"increment"}}]`))
	}
	outcomes := m.Apply(1, c)
	require.EqualValues(t, 20_000, outcomes[19_999].Index)
	require.Equal(t, `{"counter":20000}`, tree(m))
	require.EqualValues(t, 20_000, m.State().Index())
}

func TestIndexCountsAppliedTransactionsOnly(t *testing.T) {
	m := New(10)
	require.Equal(t, []uint64{1, 0, 0, 0, 2}, indices(apply(t, m,
		`[{"/a":1}]`, `[{"/a":1},{"/a":2}]`, `[{"/.agency":1}]`, `[{"/a":{"op":"?"}}]`, `[{}]`)))
	m.Apply(9, Command{Time: testTime})
	require.EqualValues(t, 2, m.State().Index())
	require.EqualValues(t, 9, m.State().Term())
}

func TestLogIsBounded(t *testing.T) {
	m := New(3)
	require.EqualValues(t, 1, m.State().FirstIndex())
	entries, ok := m.State().Log(1)
	require.True(t, ok)
	require.Empty(t, entries)

	for i := range 10 {
		write(t, m, fmt.Sprintf(`[{"/k%d": 1},{},"id%d"]`, i, i))
	}
	s := m.State()
	require.EqualValues(t, 8, s.FirstIndex())
	entries, ok = s.Log(9)
	require.True(t, ok)
	require.Equal(t, []Entry{
		{Index: 9, Term: 1, Query: json.RawMessage(`{"/k8": 1}`), ClientID: "id8", Timestamp: testTime},
		{Index: 10, Term: 1, Query: json.RawMessage(`{"/k9": 1}`), ClientID: "id9", Timestamp: testTime},
	}, entries)
	for from, kept := range map[uint64]bool{0: false, 7: false, 8: true, 11: true, 99: true} {
		entries, ok = s.Log(from)
		require.Equal(t, kept, ok, from)
		require.Len(t, entries, map[uint64]int{8: 3}[from])
	}
	require.Equal(t, 3, s.clients.len(), "ids are forgotten with their changes")
	require.Zero(t, s.Inquire("id6"))
	require.EqualValues(t, 8, s.Inquire("id7"))

	for _, s := range []*State{s, New(3).State()} {
		entries, _ = s.Log(s.Index() + 1)
		raw, err := json.Marshal(entries)
		require.NoError(t, err)
		require.Equal(t, `[]`, string(raw), "no entries are an empty array on the wire")
	}
}

// Large changes push older ones out before there are too many; the last one
// stays however large it is.
func TestLogIsBoundedInBytes(t *testing.T) {
	s := pristine()
	add := func(size int, id string) {
		e := Entry{Index: s.index + 1, Query: make([]byte, size), ClientID: id}
		s = s.append(e, s.contents, 1000)
		require.EqualValues(t, s.index, s.log[len(s.log)-1].Index)
	}
	for i := range 20 {
		add(maxLogBytes/8, strconv.Itoa(i))
		require.LessOrEqual(t, s.logBytes, maxLogBytes)
	}
	require.EqualValues(t, 14, s.FirstIndex())
	require.Zero(t, s.Inquire("12"))
	require.EqualValues(t, 14, s.Inquire("13"))

	add(maxLogBytes, "huge")
	require.EqualValues(t, 21, s.FirstIndex())
	for i := range 50 {
		add(10, strconv.Itoa(i))
	}
	require.EqualValues(t, 22, s.FirstIndex())
	require.Equal(t, 50, s.clients.len())
	require.Equal(t, s.logBytes, restored(t, snapshotOf(t, s)).logBytes)
	require.Less(t, s.logBytes, 50*200)
}

func TestEntryOnTheWire(t *testing.T) {
	m := New(3)
	write(t, m, `[{"/a": {"op":"increment"}},{},"me"]`)
	write(t, m, `[{"/a":1}]`)
	entries, _ := m.State().Log(1)
	raw, err := json.Marshal(entries)
	require.NoError(t, err)
	require.JSONEq(t, `[{"index":1,"term":1,"query":{"/a":{"op":"increment"}},"clientId":"me","timestamp":1700000000000},
		{"index":2,"term":1,"query":{"/a":1},"timestamp":1700000000000}]`, string(raw))
}

func TestInquireNamesTheLatestApplied(t *testing.T) {
	m := New(4)
	require.Equal(t, []uint64{1, 2, 0, 3}, indices(apply(t, m,
		`[{"/a":1},{},"x"]`, `[{"/a":2},{},"x"]`, `[{"/a":2},{"/a":9},"x"]`, `[{"/a":3},{},"y"]`)),
		"a repeated id is applied again")
	require.EqualValues(t, 2, m.State().Inquire("x"))
	require.EqualValues(t, 3, m.State().Inquire("y"))
	require.Zero(t, m.State().Inquire(""))
	write(t, m, `[{"/a":4}]`)
	write(t, m, `[{"/a":5}]`)
	require.EqualValues(t, 2, m.State().Inquire("x"), "an older change of x has gone, the latest is kept")
	write(t, m, `[{"/a":6}]`)
	require.Zero(t, m.State().Inquire("x"))
}

// States that are still held must not see what is applied later, whichever of
// them the machine went on from.
func TestStatesNeverChange(t *testing.T) {
	m := New(100)
	var held []*State
	var want [][]byte
	keep := func() {
		held = append(held, m.State())
		want = append(want, snapshotOf(t, m.State()))
	}
	for i := range 20 {
		write(t, m, `[{"/a/b":`+strconv.Itoa(i)+`,"/q":{"op":"push","new":`+strconv.Itoa(i)+`}},{},"c`+strconv.Itoa(i)+`"]`)
		keep()
	}
	m.Reset(held[10])
	for i := range 6 {
		write(t, m, `[{"/other":`+strconv.Itoa(i)+`}]`)
		keep()
	}
	other := New(2)
	other.Reset(held[10])
	write(t, other, `[{"/third":1}]`)
	require.EqualValues(t, 12, other.State().Index())
	require.EqualValues(t, 11, other.State().FirstIndex(), "its own bound counts")
	for i, s := range held {
		require.Equal(t, want[i], snapshotOf(t, s), "state %d", i)
	}
}

// Every version of an array keeps its elements, also when two go on from one.
func TestArraysAreNotShared(t *testing.T) {
	ops := []string{
		`{"op":"push","new":9}`, `{"op":"push","new":9}`, `{"op":"replace","val":9,"new":7}`, `{"op":"prepend","new":0}`,
		`{"op":"erase","pos":0}`, `{"op":"erase","val":7}`, `{"op":"pop"}`, `{"op":"shift"}`, `{"op":"push","new":8}`,
		`{"op":"read-lock","by":"x"}`, `{"op":"push-queue","new":1,"len":2}`, `{"op":"push-queue","new":2,"len":9}`,
	}
	m := machineWith(t, `{"a":[1,9,3,9]}`)
	held := []*State{m.State()}
	texts := []string{tree(m)}
	for _, op := range ops {
		if apply(t, m, `[{"/a":`+op+`}]`)[0].Index > 0 {
			held, texts = append(held, m.State()), append(texts, tree(m))
		}
	}
	for _, s := range held {
		for _, op := range ops {
			m.Reset(s)
			apply(t, m, `[{"/a":`+op+`}]`)
		}
		for i := range held {
			require.Equal(t, texts[i], held[i].Root().String(), "version %d", i)
		}
	}
}

func TestAMachineWithoutLog(t *testing.T) {
	m := New(-1)
	for range 5 {
		write(t, m, `[{"/a":{"op":"increment"}},{},"x"]`)
	}
	require.EqualValues(t, 6, m.State().FirstIndex())
	require.Zero(t, m.State().Inquire("x"))
	require.Equal(t, `{"a":5}`, tree(m))
}

// Readers and a snapshot being written see one state each while commands are applied.
func TestReadersBesideApply(t *testing.T) {
	m := machineWith(t, `{"a":0,"b":0}`)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				s := m.State()
				if a, b := s.Root().At("a"), s.Root().At("b"); !Equal(a, b) {
					t.Errorf("half a transaction: %s and %s", a, b)
				}
				if _, err := s.WriteTo(io.Discard); err != nil {
					t.Error(err)
				}
				s.Log(s.FirstIndex())
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for range 500 {
		write(t, m, `[{"/a":{"op":"increment"},"/b":{"op":"increment"}},{},"x"]`)
	}
	close(done)
	readers.Wait()
}
