package tree

import (
	"fmt"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"stasis/fsm"
)

func writes(t *testing.T, value int) fsm.Command {
	t.Helper()
	tx, err := fsm.ParseTransaction(fmt.Appendf(nil, `[{"/x":%d}]`, value))
	require.NoError(t, err)
	return fsm.Command{Time: 1, Transactions: []fsm.Transaction{tx}}
}

// TestDecodedIsFoundByContent: a command that was decoded before is applied without being decoded
// again, once; and only for the bytes that it was decoded from, whatever memory they are in.
func TestDecodedIsFoundByContent(t *testing.T) {
	for name, keep := range map[string]func(r *Replica, data []byte, c fsm.Command){
		"received": func(r *Replica, data []byte, c fsm.Command) { r.Received(data, c) },
		"proposed": func(r *Replica, data []byte, c fsm.Command) { r.Proposed(data, c) },
	} {
		t.Run(name, func(t *testing.T) {
			r := New(Config{KeepLog: 10})
			applied := func(data []byte) string {
				require.IsType(t, Applied{}, r.Apply(&raft.Log{Index: 1, Term: 1, Type: raft.LogCommand, Data: data}))
				return r.State().Root().String()
			}
			one, two := writes(t, 1).Encode(), writes(t, 2).Encode()
			keep(r, one, writes(t, 77)) // the test sees by it what is applied
			require.Equal(t, `{"x":77}`, applied(append([]byte(nil), one...)), "it is decoded again")
			require.Equal(t, `{"x":1}`, applied(one), "it is kept although it was applied")
			keep(r, one, writes(t, 77))
			require.Len(t, two, len(one))
			copy(one, two) // the memory is used again, as after a garbage collection
			require.Equal(t, `{"x":2}`, applied(one), "the command of other bytes is applied")
		})
	}
}

// TestDecodedIsBounded: what the leader has sent is kept for the newest entries only, and what this
// agent has proposed until it has its outcome.
func TestDecodedIsBounded(t *testing.T) {
	d := newDecoded()
	for i := range 3 * receivedKept {
		d.received(writes(t, i).Encode(), writes(t, i))
	}
	require.Len(t, d.commands, receivedKept)
	_, ok := d.take(writes(t, 0).Encode())
	require.False(t, ok)
	_, ok = d.take(writes(t, 3*receivedKept-1).Encode())
	require.True(t, ok)
	d = newDecoded()
	d.received(make([]byte, receivedSize+1), writes(t, 1))
	require.Empty(t, d.commands)
	forget := d.proposed(make([]byte, receivedSize+1), writes(t, 1))
	require.Len(t, d.commands, 1)
	forget()
	require.Empty(t, d.commands)
}

// TestWaitersRunInOrder: what waits for an index runs once, in the order in which it came, before the
// entry has its outcome; not when the index had been reached before, and not when it was forgotten.
func TestWaitersRunInOrder(t *testing.T) {
	r := New(Config{KeepLog: 10})
	var ran []string
	wait := func(name string, index uint64) (forget func()) {
		return r.At(index, func(s *fsm.State) { ran = append(ran, fmt.Sprintf("%s at %d", name, s.Index())) })
	}
	wait("a", 2)
	wait("b", 1)
	wait("c", 2)
	wait("d", 1)()
	wait("e", 1)
	apply := func() { r.Apply(&raft.Log{Index: 1, Term: 1, Type: raft.LogCommand, Data: writes(t, 1).Encode()}) }
	apply()
	require.Equal(t, []string{"b at 1", "e at 1"}, ran)
	wait("f", 1)
	apply()
	apply()
	require.Equal(t, []string{"b at 1", "e at 1", "a at 2", "c at 2"}, ran)
}
