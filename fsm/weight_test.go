package fsm

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The weight that is kept up with every change is that of the same value read again; the
// text is never longer; and no transaction adds more than it says beforehand.
func TestWeightIsAFunctionOfTheValue(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := New(8)
		for range rapid.IntRange(1, 20).Draw(rt, "transactions") {
			parsed := tx(rt, transactionText(drawOps.Draw(rt, "ops"), "{}", ""))
			before := m.State()
			o := m.Apply(1, Command{Time: 1, Transactions: []Transaction{parsed}})[0]
			after := m.State()
			text := after.Root().String()
			again, err := Parse([]byte(text))
			require.NoError(rt, err)
			require.Equal(rt, again.weight(), after.Root().weight(), text)
			require.GreaterOrEqual(rt, after.Weight(), int64(len(text)))
			if adds := parsed.Adds(); adds != math.MaxInt64 {
				require.LessOrEqual(rt, after.Weight(), before.Weight()+adds, "%s to %s", parsed.query, before.Root())
				require.GreaterOrEqual(rt, o.Removed, before.Weight()-after.Weight())
			}
			require.Equal(rt, after.Weight(), restored(rt, snapshotOf(rt, after)).Weight())
			var pieces bytes.Buffer
			pieces.Write(after.Root().StreamJSON(nil, func(p []byte) []byte { pieces.Write(p); return p[:0] }))
			require.Equal(rt, text, pieces.String())
		}
	})
}

// What is noted beside the tree has a weight, too, and none when it is gone.
func TestWeightOfTheBooks(t *testing.T) {
	m := New(8)
	write(t, m, `[{"/a":{"b":1,"c":1}}]`)
	plain := m.State().Weight()
	write(t, m, `[{"/a/b":{"op":"set","new":1,"ttl":100},"/a/c":{"op":"observe","url":"http://x"}}]`)
	require.Greater(t, m.State().Weight(), plain+2*pathWeight)
	require.Equal(t, m.State().Weight(), restored(t, snapshotOf(t, m.State())).Weight())
	write(t, m, `[{"/a/b":1,"/a/c":{"op":"unobserve","url":"http://x"}}]`)
	require.Equal(t, plain, m.State().Weight())
}

func TestStreamedInPieces(t *testing.T) {
	m := folder(t, 20_000)
	pieces := 0
	var whole bytes.Buffer
	whole.Write(m.State().Root().StreamJSON(nil, func(p []byte) []byte {
		pieces++
		whole.Write(p)
		return make([]byte, 0, pieceBytes)
	}))
	require.Greater(t, pieces, 5)
	require.Equal(t, m.State().Root().String(), whole.String())
}

// limited applies one transaction with a limit, as a replica that decoded it does.
func limited(t *testing.T, m *Machine, raw string, limit int64) Outcome {
	t.Helper()
	c := Command{Time: testTime, Transactions: []Transaction{tx(t, raw).Within(limit)}}
	decoded, err := DecodeCommand(c.Encode())
	require.NoError(t, err)
	copied := New(8)
	copied.Reset(restored(t, snapshotOf(t, m.State())))
	copied.Apply(1, decoded)
	o := m.Apply(1, c)[0]
	require.Equal(t, snapshotOf(t, m.State()), snapshotOf(t, copied.State()), "a replica decides alike")
	return o
}

// A transaction that would leave too heavy a tree is not applied; what makes it no heavier
// is, however heavy it is; a log without limits applies as it always did.
func TestLimit(t *testing.T) {
	m := New(8)
	write(t, m, `[{"/big":"`+strings.Repeat("x", 1000)+`","/n":1,"/held":{"op":"write-lock","by":"me"}}]`)
	full := m.State().Weight()

	o := limited(t, m, `[{"/more":1}]`, full)
	require.ErrorIs(t, o.Reason, ErrLimit, "the tree grows above its limit")
	require.ErrorContains(t, o.Reason, fmt.Sprintf("%d are allowed", full))
	require.Zero(t, o.Index)
	require.False(t, o.State.Root().At("/more").Exists())

	for _, raw := range []string{
		`[{"/n":{"op":"increment"}}]`, `[{"/n":-7}]`, `[{"/big":"` + strings.Repeat("y", 1000) + `"}]`,
		`[{"/more":1,"/big":""}]`, `[{"/held":{"op":"write-unlock","by":"me"}}]`, `[{"/more":{"op":"delete"}}]`,
	} {
		before := m.State().Weight()
		o := limited(t, m, raw, 1)
		require.NoError(t, o.Reason, raw)
		require.LessOrEqual(t, m.State().Weight(), before, raw)
	}
	require.NoError(t, limited(t, m, `[{"/more":"`+strings.Repeat("z", 500)+`"}]`, full).Reason, "there is room again")
	require.NoError(t, apply(t, m, `[{"/much":"`+strings.Repeat("z", 5000)+`"}]`)[0].Reason, "a command without a limit")
	require.Greater(t, m.State().Weight(), full)
}

// One element in the place of many, again and again, makes more than any machine can
// hold out of very little; where there is a limit it ends at once.
func TestLimitOfWhatMultiplies(t *testing.T) {
	m := New(8)
	write(t, m, `[{"/a":[`+strings.Repeat("0,", 1<<16)+`0]}]`)
	big := `"` + strings.Repeat("x", 1<<20) + `"`
	o := limited(t, m, `[{"/a":{"op":"replace","val":0,"new":`+big+`},"//b":1}]`, 1<<28)
	require.ErrorIs(t, o.Reason, ErrLimit)
	require.EqualValues(t, math.MaxInt64, tx(t, `[{"/a":{"op":"replace","val":0,"new":"longer"}}]`).Adds())
	require.Less(t, tx(t, `[{"/a":{"op":"replace","val":"one","new":"two"}}]`).Adds(), int64(1000))
}

// The log holds what it says it holds: a change does not keep the text around it.
func TestLogHoldsNoMoreThanItsEntries(t *testing.T) {
	m := New(8)
	raw := `[{"/a":1},{"/b":{"oldNot":"` + strings.Repeat("x", 1<<20) + `"}}]`
	decoded, err := DecodeCommand(Command{Time: testTime, Transactions: []Transaction{tx(t, raw)}}.Encode())
	require.NoError(t, err)
	m.Apply(1, decoded)
	entries, _ := m.State().Log(1)
	require.Equal(t, `{"/a":1}`, string(entries[0].Query))
	require.Less(t, cap(entries[0].Query), 100)
}

// TestWeightsAreOfTheFormat: a log with limits is applied alike by all versions. A
// change of a weight needs a new format of commands.
func TestWeightsAreOfTheFormat(t *testing.T) {
	m := New(10)
	for _, raw := range []string{
		`[{"/a":{"b":[1,"x",true,null],"long \" key":2.5}}]`, `[{"/t":{"op":"set","new":1,"ttl":60}}]`, `[{"/a":{"op":"observe","url":"http://x:1/"}}]`,
	} {
		tx, err := ParseTransaction([]byte(raw))
		require.NoError(t, err)
		require.NoError(t, m.Apply(1, Command{Time: 1, Transactions: []Transaction{tx}})[0].Reason)
	}
	require.EqualValues(t, 1258, m.State().Weight())
}
