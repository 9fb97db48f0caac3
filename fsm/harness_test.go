package fsm

import (
	"bytes"

	"github.com/stretchr/testify/require"
)

// tester is what testing.T and rapid.T have in common.
type tester interface {
	require.TestingT
	Helper()
}

const testTime = 1_700_000_000_000

// tx reads a transaction that is well-formed as a whole.
func tx(t tester, raw string) Transaction {
	t.Helper()
	parsed, err := ParseTransaction([]byte(raw))
	require.NoError(t, err, raw)
	return parsed
}

// applyAt applies the transactions as one command of the leader's time at.
func applyAt(t tester, m *Machine, at int64, raws ...string) []Outcome {
	t.Helper()
	c := Command{Time: at}
	for _, raw := range raws {
		c.Transactions = append(c.Transactions, tx(t, raw))
	}
	return m.Apply(1, c)
}

func apply(t tester, m *Machine, raws ...string) []Outcome {
	t.Helper()
	return applyAt(t, m, testTime, raws...)
}

// write applies one transaction and demands success.
func write(t tester, m *Machine, raw string) {
	t.Helper()
	o := apply(t, m, raw)[0]
	require.NoError(t, o.Reason, raw)
	require.NotZero(t, o.Index, raw)
}

// machineWith is a machine whose tree is root.
func machineWith(t tester, root string) *Machine {
	t.Helper()
	m := New(100)
	write(t, m, `[{"/":`+root+`}]`)
	return m
}

func indices(outcomes []Outcome) []uint64 {
	all := make([]uint64, 0, len(outcomes))
	for _, o := range outcomes {
		all = append(all, o.Index)
	}
	return all
}

func tree(m *Machine) string { return m.State().Root().String() }

func read(m *Machine, paths ...string) string { return m.State().Read(paths).String() }

func value(t tester, raw string) *Node {
	t.Helper()
	n, err := Parse([]byte(raw))
	require.NoError(t, err, raw)
	return n
}

func snapshotOf(t tester, s *State) []byte {
	t.Helper()
	var buf bytes.Buffer
	n, err := s.WriteTo(&buf)
	require.NoError(t, err)
	require.EqualValues(t, buf.Len(), n)
	return buf.Bytes()
}

func restored(t tester, stream []byte) *State {
	t.Helper()
	s, err := ReadState(bytes.NewReader(stream))
	require.NoError(t, err)
	return s
}
