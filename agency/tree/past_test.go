package tree

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/fsm"
)

// One key that is overwritten with large values keeps the trees of the last few changes
// only; small changes keep as many as ever.
func TestPastIsBoundedInBytes(t *testing.T) {
	m, p := fsm.New(1), &past{}
	parsed := func(raw string) fsm.Transaction {
		tx, err := fsm.ParseTransaction([]byte(raw))
		require.NoError(t, err)
		return tx
	}
	apply := func(tx fsm.Transaction) {
		p.note(m.Apply(1, fsm.Command{Time: 1, Transactions: []fsm.Transaction{tx}}))
	}
	at := func(raw string) { apply(parsed(raw)) }
	kept := func() (n int) {
		for i := m.State().Index(); i > 0 && p.at(i) != nil; i-- {
			n++
		}
		return n
	}
	for i := range 1000 {
		at(fmt.Sprintf(`[{"/a":%d}]`, i))
	}
	require.Equal(t, pastKept, kept())
	large := parsed(`[{"/a":"` + strings.Repeat("x", 2<<20) + `"}]`)
	for range 100 {
		apply(large)
	}
	require.LessOrEqual(t, kept(), pastBytes/(2<<20)+1, "one overwritten key keeps a tree for each change")
	require.Greater(t, kept(), 10)
	require.LessOrEqual(t, p.bytes, int64(pastBytes))
	for i := range pastKept {
		at(fmt.Sprintf(`[{"/a":%d}]`, i))
	}
	require.Equal(t, pastKept, kept(), "they are gone, and small ones are kept again")
	at(`[{"/a":"` + strings.Repeat("x", 40<<20) + `"}]`)
	require.Greater(t, kept(), 1, "what is new costs nothing yet")
	at(`[{"/a":{"op":"delete"}}]`)
	require.Equal(t, 1, kept(), "a tree that alone holds much is let go")
	p.reset(0)
	require.Nil(t, p.at(m.State().Index()))
	at(`[{"/a":1}]`)
	require.Equal(t, 1, kept())
}
