package fsm

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the fixtures of the current formats")

// furnished is a machine with something of everything in it.
func furnished(t tester) *Machine {
	m := New(4)
	applyAt(t, m, testTime, `[{"/numbers":[0,-1,1.5,1e300,5e-324,9223372036854775807,-9223372036854775808,18446744073709551615]}]`)
	applyAt(t, m, testTime+1, `[{"/words":{"null":null,"true":true,"false":false,"empty":"","text":"ä\u0000\"\\日","list":[],"object":{}}},{},"first"]`)
	applyAt(t, m, testTime+2, `[{"/opaque":[{"a/b":{"":[[]]}}],"/.hidden/x":1,"/a b/ä/\n":"odd"},{},"second"]`)
	applyAt(t, m, testTime+3, `[{"/short":{"op":"set","new":1,"ttl":1},"/long":{"op":"set","new":{"x":1},"ttl":1000}},{},"second"]`)
	applyAt(t, m, testTime+4, `[{"/words":{"op":"observe","url":"http://a"}}]`, `[{"/":{"op":"observe","url":"http://b"}}]`)
	applyAt(t, m, testTime+2000, `[{"/n":{"op":"increment"}},{"n":{"oldEmpty":true}}]`)
	return m
}

func TestSnapshotKeepsEverything(t *testing.T) {
	s := furnished(t).State()
	got := restored(t, snapshotOf(t, s))
	require.Equal(t, s.Root().String(), got.Root().String())
	require.Equal(t, s.Index(), got.Index())
	require.Equal(t, s.Term(), got.Term())
	require.Equal(t, s.FirstIndex(), got.FirstIndex())
	require.Equal(t, s.Observers(), got.Observers())
	want, _ := s.Log(s.FirstIndex())
	entries, _ := got.Log(s.FirstIndex())
	require.Equal(t, want, entries)
	require.EqualValues(t, 4, got.Inquire("second"))
	require.Zero(t, got.Inquire("first"), "no longer in the log")
	require.Equal(t, s.AsOf(testTime+2e6).Root().String(), got.AsOf(testTime+2e6).Root().String())
	require.Equal(t, snapshotOf(t, s), snapshotOf(t, got), "the same state is the same bytes")

	empty := restored(t, snapshotOf(t, New(1).State()))
	require.Equal(t, `{}`, empty.Root().String())
	require.EqualValues(t, 1, empty.FirstIndex())
}

// The same log gives the same bytes, and a snapshot with the rest of the log the
// same as the whole log.
func TestSnapshotAndTailEqualReplay(t *testing.T) {
	raws := []string{
		`[{"/z":1,"/a":{"y":{"x":[1,2]}},"/b/.c":2},{},"id"]`, `[{"/a/y/x":{"op":"push","new":{"q":1,"p":2}}}]`,
		`[{"/a":{"op":"delete"}},{"z":2}]`, `[{"/b":{"op":"set","new":1,"ttl":0}}]`, `[{"/c/d/e":{"op":"decrement"}},{},"id"]`,
		`[{"/c":{"op":"observe","url":"u"}}]`, `[{"/b/x":{"op":"read-lock","by":"me"}}]`, `[{"/z":{"op":"delete"}}]`,
	}
	whole := New(3)
	for _, raw := range raws {
		apply(t, whole, raw)
	}
	for at := range len(raws) {
		first, second := New(3), New(3)
		for _, raw := range raws[:at] {
			apply(t, first, raw)
		}
		second.Reset(restored(t, snapshotOf(t, first.State())))
		for _, raw := range raws[at:] {
			apply(t, second, raw)
		}
		require.Equal(t, snapshotOf(t, whole.State()), snapshotOf(t, second.State()), "cut at %d", at)
	}
}

// No torn stream and no changed byte goes unnoticed.
func TestDamagedSnapshot(t *testing.T) {
	stream := snapshotOf(t, furnished(t).State())
	for n := range len(stream) {
		_, err := ReadState(bytes.NewReader(stream[:n]))
		require.ErrorIs(t, err, ErrCorrupt, "torn at %d", n)
		damaged := bytes.Clone(stream)
		damaged[n] ^= 1 << (n % 8)
		_, err = ReadState(bytes.NewReader(damaged))
		require.ErrorIs(t, err, ErrCorrupt, "damaged at %d", n)
	}
	_, err := ReadState(bytes.NewReader(append(bytes.Clone(stream), 0)))
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "goes on after its end")

	newer := bytes.Clone(stream)
	newer[len(snapshotMagic)] = 99
	_, err = ReadState(bytes.NewReader(newer))
	require.ErrorContains(t, err, "unknown format: 99")
}

// A stream with a right checksum can still hold what is never written.
func TestImpossibleSnapshot(t *testing.T) {
	nodes := map[string][]byte{
		"unknown kind":       {99},
		"small unsigned":     {byte(kindUint), 0, 0, 0, 0, 0, 0, 0, 1},
		"integral double":    {byte(kindDouble), 0x3f, 0xf0, 0, 0, 0, 0, 0, 0},
		"not a number":       {byte(kindDouble), 0x7f, 0xf8, 0, 0, 0, 0, 0, 1},
		"infinite":           {byte(kindDouble), 0x7f, 0xf0, 0, 0, 0, 0, 0, 0},
		"slash in a key":     {byte(kindObject), 1, 1, '/', byte(kindNull)},
		"empty key":          {byte(kindObject), 1, 0, byte(kindNull)},
		"keys out of order":  {byte(kindObject), 2, 1, 'b', byte(kindNull), 1, 'a', byte(kindNull)},
		"a key twice":        {byte(kindObject), 2, 1, 'a', byte(kindNull), 1, 'a', byte(kindNull)},
		"not UTF-8":          {byte(kindString), 1, 0xff},
		"huge string":        {byte(kindString), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		"huge object":        {byte(kindObject), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		"number too long":    bytes.Repeat([]byte{0xff}, 20),
		"nested without end": bytes.Repeat([]byte{byte(kindArray), 1}, 300),
		"nothing":            nil,
	}
	for name, node := range nodes {
		body := append([]byte(snapshotMagic), snapshotFormat, 0, 0, 0)
		body = append(append(body, node...), 0, 0, 0)
		sum := sha256.Sum256(body)
		_, err := ReadState(bytes.NewReader(append(body, sum[:]...)))
		require.ErrorIs(t, err, ErrCorrupt, name)
	}
	body := append([]byte(snapshotMagic), snapshotFormat, 0, 0, 0, byte(kindNull), 0, 0, 1, 0, 0, 0, 0, 0)
	sum := sha256.Sum256(body)
	_, err := ReadState(bytes.NewReader(append(body, sum[:]...)))
	require.ErrorIs(t, err, ErrCorrupt, "more changes than the index")
}

func TestSnapshotOnAFailingDisk(t *testing.T) {
	s := furnished(t).State()
	stream := snapshotOf(t, s)
	broken := errors.New("disk gone")
	_, err := s.WriteTo(&failingWriter{room: 10, err: broken})
	require.ErrorIs(t, err, broken)
	_, err = ReadState(iotest.ErrReader(broken))
	require.ErrorIs(t, err, broken)
	require.NotErrorIs(t, err, ErrCorrupt, "a disk that cannot be read is not a damaged snapshot")
	got, err := ReadState(iotest.OneByteReader(bytes.NewReader(stream)))
	require.NoError(t, err)
	require.Equal(t, s.Root().String(), got.Root().String())
}

// failingWriter takes some bytes and then fails.
type failingWriter struct {
	room int
	err  error
}

func (w *failingWriter) Write(p []byte) (int, error) {
	if len(p) > w.room {
		return w.room, w.err
	}
	w.room -= len(p)
	return len(p), nil
}

// The formats are on disks: bytes written by a released version must stay
// readable, and the current version must write what its number says.
func TestFormatFixtures(t *testing.T) {
	m := furnished(t)
	command := Command{Time: testTime, Transactions: []Transaction{
		tx(t, `[{"/a": {"op":"push","new":1}}, {"b":{"oldEmpty":true}}, "ä"]`), {}, tx(t, `[{}]`),
	}}
	limited := Command{Time: testTime, Transactions: []Transaction{
		tx(t, `[{"/a": {"op":"push","new":1}}, {"b":{"oldEmpty":true}}, "ä"]`).Within(1 << 28), {}, tx(t, `[{}]`), tx(t, `[{"/b":2}]`).Within(1),
	}}
	fixtures := map[string][]byte{"snapshot-1": snapshotOf(t, m.State()), "command-1": command.Encode(), "command-2": limited.Encode()}
	for name, now := range fixtures {
		path := filepath.Join("testdata", "formats", name)
		if *update {
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, now, 0o644))
		}
		was, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, was, now, "%s: a changed format needs a new number, and the old one a reader", name)
	}
	require.Equal(t, m.State().Root().String(), restored(t, fixtures["snapshot-1"]).Root().String())
	decoded, err := DecodeCommand(fixtures["command-1"])
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 0, 2}, indices(New(1).Apply(1, decoded)))
	decoded, err = DecodeCommand(fixtures["command-2"])
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 0, 2, 0}, indices(New(1).Apply(1, decoded)))
}
