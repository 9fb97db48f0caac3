package fsm

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// folder is a machine with n keys below /folder.
func folder(t tester, n int) *Machine {
	m := New(10)
	var raw bytes.Buffer
	raw.WriteString(`[{"/folder":{`)
	for i := range n {
		if i > 0 {
			raw.WriteByte(',')
		}
		fmt.Fprintf(&raw, `"key%07d":"value%d"`, i, i)
	}
	raw.WriteString(`}}]`)
	write(t, m, raw.String())
	return m
}

var sizes = []int{10, 1_000, 100_000}

// A write costs about the logarithm of the number of its siblings.
func BenchmarkWrite(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("children=%d", n), func(b *testing.B) {
			m := folder(b, n)
			commands := make([]Command, 64)
			for i := range commands {
				commands[i] = Command{Time: testTime, Transactions: []Transaction{
					tx(b, fmt.Sprintf(`[{"/folder/key%07d":{"op":"increment"}}]`, i*7919%n)),
				}}
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				m.Apply(1, commands[i%len(commands)])
			}
		})
	}
}

// A snapshot is a pointer.
func BenchmarkSnapshot(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			m := folder(b, n)
			b.ReportAllocs()
			for b.Loop() {
				_ = m.State().AsOf(testTime).Read([]string{"/"})
			}
		})
	}
}

func BenchmarkParseTransaction(b *testing.B) {
	raw := []byte(`[{"/arango/Plan/Collections/d/1/shards/s1":{"op":"set","new":["PRMR-a","PRMR-b"]},"/arango/Plan/Version":{"op":"increment"}},{"/arango/Plan/Version":{"old":7}},"client"]`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseTransaction(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSnapshotStream(b *testing.B) {
	s := folder(b, 100_000).State()
	stream := snapshotOf(b, s)
	b.Run("write", func(b *testing.B) {
		b.SetBytes(int64(len(stream)))
		for b.Loop() {
			if _, err := s.WriteTo(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(len(stream)))
		for b.Loop() {
			if _, err := ReadState(bytes.NewReader(stream)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// The cost of one write is counted in allocations, which no busy machine
// changes: about as many as the tree is deep.
func TestWriteCostGrowsWithTheLogarithm(t *testing.T) {
	for _, n := range sizes {
		m := folder(t, n)
		c := Command{Time: testTime, Transactions: []Transaction{tx(t, `[{"/folder/key0000007":{"op":"increment"}}]`)}}
		allocated := testing.AllocsPerRun(100, func() { m.Apply(1, c) })
		require.Less(t, allocated, 60.0, "%d children", n)
		require.Zero(t, testing.AllocsPerRun(100, func() { m.State().Read(nil) }))
	}
}
