package fsm

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever a client sends: no panic, one of the two errors, and what can be
// applied replays, survives its encodings and leaves a tree that can be read.
func FuzzParseTransaction(f *testing.F) {
	for _, raw := range []string{
		`[{"/a":{"op":"push-queue","new":[{"":1}],"len":2}},{"b":{"in":1.0}},"id"]`,
		`[{"a//b":{"c/d":1e3},"/":{"op":"delete"}},{"/":{"oldEmpty":false}}]`,
		`[{"a":{"op":"set","new":1,"ttl":1e300,"epoch_millis":5}}]`,
		`[{"a":{"op":"erase","pos":0},"b":{"op":"decrement","step":18446744073709551615}}]`,
		`[{"\ud800":{"op":"read-lock","by":"x"}},{"a":{"intersectionEmpty":[]}}]`,
		`[]`, `[{}]`, `[{},{},{},{}]`, `{`, strings.Repeat(`[{"a":`, 300),
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		parsed, err := ParseTransaction(raw)
		if err != nil {
			require.True(t, errors.Is(err, ErrEnvelope) || errors.Is(err, ErrMalformed), err)
			return
		}
		m := New(5)
		m.Apply(1, Command{Time: 1, Transactions: []Transaction{tx(t, `[{"/a":[1,"x"],"/b":{"c":{}}}]`)}})
		before := m.State().Root()
		c := Command{Time: 1, Transactions: []Transaction{parsed, parsed}}
		decoded, err := DecodeCommand(c.Encode())
		require.NoError(t, err)
		outcome := m.Apply(1, decoded)[0]
		require.Equal(t, outcome.Index == 0, outcome.Reason != nil)
		again, err := Parse([]byte(tree(m)))
		require.NoError(t, err)
		require.True(t, Equal(again, m.State().Root()))
		require.Equal(t, snapshotOf(t, m.State()), snapshotOf(t, restored(t, snapshotOf(t, m.State()))))
		entries, _ := m.State().Log(2)
		for _, e := range entries {
			before = Replay(before, e)
		}
		require.True(t, Equal(before, m.State().Root()))
	})
}

// The checksum is made right, so that the fuzzer gets behind it. A stream is
// refused or gives a state that can be written and read again.
func FuzzReadState(f *testing.F) {
	body := func(s *State) []byte {
		stream := snapshotOf(f, s)
		return stream[:len(stream)-sha256.Size]
	}
	full := body(furnished(f).State())
	f.Add(full)
	f.Add(body(New(1).State()))
	f.Add(full[:len(full)/2])
	f.Add([]byte(snapshotMagic))
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := sha256.Sum256(body)
		s, err := ReadState(bytes.NewReader(append(body, sum[:]...)))
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		stream := snapshotOf(t, s)
		require.Equal(t, stream, snapshotOf(t, restored(t, stream)))
		s.AsOf(1 << 60).Read([]string{"/"})
		m := New(2)
		m.Reset(s)
		write(t, m, `[{"/a/b/c":1}]`)
	})
}

// As for snapshots, the checksum is made right.
func FuzzDecodeCommand(f *testing.F) {
	body := func(c Command) []byte {
		data := c.Encode()
		return data[:len(data)-crc32.Size]
	}
	f.Add(body(Command{Time: testTime, Transactions: []Transaction{tx(f, `[{"/a":1},{},"x"]`), {}}}))
	f.Add(body(Command{Time: testTime, Transactions: []Transaction{tx(f, `[{"/a":1}]`).Within(7), tx(f, `[{}]`)}}))
	f.Add(body(Command{}))
	f.Add([]byte{commandFormat})
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := DecodeCommand(binary.BigEndian.AppendUint32(body, crc32.Checksum(body, castagnoli)))
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		again, err := DecodeCommand(c.Encode())
		require.NoError(t, err)
		require.Equal(t, c.Encode(), again.Encode())
		New(1).Apply(1, again)
	})
}
