package fsm

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCommandRoundTrip(t *testing.T) {
	c := Command{Time: -5, Transactions: []Transaction{
		tx(t, ` [ {"/a" : 1.0} ] `), tx(t, `[{"/a":{"op":"?"}},{"b":1}]`), {}, tx(t, `[{"/b":{"op":"pop"}},{},"me"]`),
	}}
	got, err := DecodeCommand(c.Encode())
	require.NoError(t, err)
	require.Equal(t, c.Encode(), got.Encode())
	require.Equal(t, "me", got.Transactions[3].ClientID())

	here, there := New(9), New(9)
	a, b := here.Apply(1, c), there.Apply(1, got)
	require.Equal(t, []uint64{1, 0, 0, 2}, indices(a))
	require.Equal(t, indices(a), indices(b))
	require.Equal(t, a[1].Failed, b[1].Failed)
	require.Equal(t, snapshotOf(t, here.State()), snapshotOf(t, there.State()))

	empty, err := DecodeCommand(Command{}.Encode())
	require.NoError(t, err)
	require.Empty(t, empty.Transactions)
}

// A transaction does not change with the buffer that it was read from.
func TestTransactionOwnsItsBytes(t *testing.T) {
	raw := []byte(`[{"/a":1}]`)
	parsed, err := ParseTransaction(raw)
	require.NoError(t, err)
	encoded := Command{Transactions: []Transaction{parsed}}.Encode()
	decoded, err := DecodeCommand(encoded)
	require.NoError(t, err)
	for i := range raw {
		raw[i] = 'x'
	}
	clear(encoded)
	for _, transaction := range []Transaction{parsed, decoded.Transactions[0]} {
		m := New(1)
		m.Apply(1, Command{Transactions: []Transaction{transaction}})
		entries, _ := m.State().Log(1)
		require.Equal(t, `{"/a":1}`, string(entries[0].Query))
	}
}

func TestDamagedCommand(t *testing.T) {
	data := Command{Time: testTime, Transactions: []Transaction{tx(t, `[{"/a":1}]`), {}}}.Encode()
	for n := range len(data) {
		_, err := DecodeCommand(data[:n])
		require.ErrorIs(t, err, ErrCorrupt, "torn at %d", n)
		damaged := bytes.Clone(data)
		damaged[n] ^= 0x10
		_, err = DecodeCommand(damaged)
		require.ErrorIs(t, err, ErrCorrupt, "damaged at %d", n)
	}
	_, err := DecodeCommand(append(bytes.Clone(data), 0))
	require.ErrorIs(t, err, ErrCorrupt)

	sealed := func(body ...byte) []byte {
		return binary.BigEndian.AppendUint32(body, crc32.Checksum(body, castagnoli))
	}
	for name, body := range map[string][]byte{
		"unknown format":      {3, 0, 0},
		"no limit":            {2, 0, 1},
		"no time":             {1},
		"no count":            {1, 0},
		"fewer transactions":  {1, 0, 5, 0},
		"more than announced": {1, 0, 0, 0},
		"length beyond end":   {1, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, '['},
		"time too long":       bytes.Repeat([]byte{1, 0xff}, 20),
		"malformed":           {1, 0, 1, 2, '[', ']'},
		"not JSON":            {1, 0, 1, 1, '['},
	} {
		_, err := DecodeCommand(sealed(body...))
		require.ErrorIs(t, err, ErrCorrupt, name)
	}
}
