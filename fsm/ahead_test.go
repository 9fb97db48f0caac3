package fsm

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAhead: a state that was moved ahead has the same tree and knows the same client
// ids, its log is whole, and a snapshot of it is read back as it was.
func TestAhead(t *testing.T) {
	m := New(3)
	for _, text := range []string{`[{"a":1},{},"one"]`, `[{"b":2},{},"two"]`, `[{"c":{"op":"set","new":3,"ttl":10}}]`, `[{"d":4},{},"four"]`} {
		tx, err := ParseTransaction([]byte(text))
		require.NoError(t, err)
		m.Apply(7, Command{Time: 1000, Transactions: []Transaction{tx}})
	}
	s := m.State()
	ahead := s.Ahead(1000)
	require.EqualValues(t, 1000, ahead.Index())
	require.EqualValues(t, 998, ahead.FirstIndex())
	require.EqualValues(t, 4, s.Index(), "the state itself never changes")
	require.Equal(t, s.Root().String(), ahead.Root().String())
	require.EqualValues(t, 0, ahead.Inquire("one"), "no longer kept")
	require.EqualValues(t, 998, ahead.Inquire("two"))
	require.EqualValues(t, 1000, ahead.Inquire("four"))
	_, kept := ahead.Log(5)
	require.False(t, kept, "who followed the state from before gets the whole tree")
	entries, kept := ahead.Log(998)
	require.True(t, kept)
	require.Len(t, entries, 3)
	require.Same(t, ahead, ahead.Ahead(1000))
	require.Same(t, ahead, ahead.Ahead(3))

	var first, second bytes.Buffer
	_, err := ahead.WriteTo(&first)
	require.NoError(t, err)
	back, err := ReadState(bytes.NewReader(first.Bytes()))
	require.NoError(t, err)
	_, err = back.WriteTo(&second)
	require.NoError(t, err)
	require.Equal(t, first.Bytes(), second.Bytes())

	m.Reset(back)
	tx, err := ParseTransaction([]byte(`[{"e":5}]`))
	require.NoError(t, err)
	require.EqualValues(t, 1001, m.Apply(8, Command{Time: 2000, Transactions: []Transaction{tx}})[0].Index)
	require.NotContains(t, m.State().AsOf(20000).Root().String(), `"c"`, "what expires expires")
}

// TestRaised: numbers are raised where they are whole and have room; nothing else changes,
// and the state says what it weighs.
func TestRaised(t *testing.T) {
	m := New(3)
	tx, err := ParseTransaction([]byte(`[{"a":{"n":1,"m":-1,"t":"x","d":1.5,"max":9223372036854775807}}]`))
	require.NoError(t, err)
	m.Apply(1, Command{Transactions: []Transaction{tx}})
	s := m.State()
	raised := s.Raised([]string{"/a/n", "/a/m", "/a/t", "/a/d", "/a/max", "/b/n"}, 1<<40)
	require.JSONEq(t, `{"a":{"n":1099511627777,"m":-1,"t":"x","d":1.5,"max":9223372036854775807}}`, raised.Root().String())
	require.JSONEq(t, `{"a":{"n":1,"m":-1,"t":"x","d":1.5,"max":9223372036854775807}}`, s.Root().String(), "the state itself never changes")
	require.Equal(t, s.Index(), raised.Index())
	require.Equal(t, s.Weight(), raised.Weight())
}
