package fsm

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"slices"
	"unicode/utf8"
)

// ReadState reads a stream that WriteTo wrote, to its end. A stream that is torn,
// damaged, followed by something or of an unknown format is [ErrCorrupt]; any
// other error is the reader's.
func ReadState(from io.Reader) (*State, error) {
	r := &snapshotReader{from: bufio.NewReaderSize(from, 64<<10), sum: sha256.New()}
	s := r.state()
	switch {
	case r.err == nil:
		return s, nil
	case errors.Is(r.err, errReader):
		return nil, fmt.Errorf("read a snapshot: %w", r.err)
	default:
		return nil, fmt.Errorf("%w snapshot: %w", ErrCorrupt, r.err)
	}
}

// errReader marks an error of the reader below.
var errReader = errors.New("reader")

// snapshotReader reads the fields of a snapshot. After the first error it
// returns zero values. Nothing is believed before the checksum is, so lengths
// never lead to an allocation larger than what was really there.
type snapshotReader struct {
	from *bufio.Reader
	sum  hash.Hash
	one  [1]byte
	err  error
}

func (r *snapshotReader) state() *State {
	if string(r.bytes(uint64(len(snapshotMagic)))) != snapshotMagic {
		r.fail(errFormat)
	}
	if format := r.byte(); format != snapshotFormat {
		r.fail(fmt.Errorf("%w: %d", errFormat, format))
	}
	s := &State{index: r.uint(), term: r.uint()}
	s.clock = r.int()
	s.root = r.node(0, false)
	s.lifetimes = r.lifetimes()
	s.observers = r.observers()
	r.log(s)
	r.end()
	return s
}

func (r *snapshotReader) fail(err error) {
	switch {
	case r.err != nil:
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		r.err = errTorn
	default:
		r.err = err
	}
}

// failRead remembers an error of the reader below.
func (r *snapshotReader) failRead(err error) {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: %w", errReader, err)
	}
	r.fail(err)
}

// ReadByte makes the reader an io.ByteReader for the varints.
func (r *snapshotReader) ReadByte() (byte, error) {
	if r.err != nil {
		return 0, r.err
	}
	b, err := r.from.ReadByte()
	if err != nil {
		r.failRead(err)
		return 0, r.err
	}
	r.one[0] = b
	r.sum.Write(r.one[:])
	return b, nil
}

func (r *snapshotReader) byte() byte {
	b, _ := r.ReadByte() // the error is kept in r.err
	return b
}

func (r *snapshotReader) uint() uint64 {
	u, err := binary.ReadUvarint(r)
	if err != nil {
		r.fail(err)
		return 0
	}
	return u
}

func (r *snapshotReader) int() int64 {
	i, err := binary.ReadVarint(r)
	if err != nil {
		r.fail(err)
		return 0
	}
	return i
}

func (r *snapshotReader) bytes(n uint64) []byte {
	if r.err != nil {
		return nil
	}
	var data []byte
	if n <= 4<<10 {
		data = make([]byte, n)
		if _, err := io.ReadFull(r.from, data); err != nil {
			r.failRead(err)
			return nil
		}
	} else {
		var buf bytes.Buffer
		if _, err := io.CopyN(&buf, r.from, int64(min(n, math.MaxInt64))); err != nil {
			r.failRead(err)
			return nil
		}
		data = buf.Bytes()
	}
	r.sum.Write(data)
	return data
}

func (r *snapshotReader) text() string {
	data := r.bytes(r.uint())
	if !utf8.Valid(data) {
		r.fail(errValue)
	}
	return string(data)
}

func (r *snapshotReader) texts() []string {
	var all []string
	for n := r.uint(); n > 0 && r.err == nil; n-- {
		all = append(all, r.text())
	}
	return all
}

// keyed reads pairs whose keys must rise.
func keyed[V any](r *snapshotReader, value func() V) []pair[V] {
	var pairs []pair[V]
	for n := r.uint(); n > 0 && r.err == nil; n-- {
		key := r.text()
		if len(pairs) > 0 && key <= pairs[len(pairs)-1].key {
			r.fail(errValue)
		}
		pairs = append(pairs, pair[V]{key, value()})
	}
	return pairs
}

func (r *snapshotReader) node(depth int, opaque bool) *Node {
	if depth > maxDepth {
		r.fail(errDepth)
		return nullNode
	}
	switch kind(r.byte()) {
	case kindNull:
		return nullNode
	case kindFalse:
		return falseNode
	case kindTrue:
		return trueNode
	case kindInt:
		return intNode(r.int())
	case kindUint:
		return r.canonical(uintNode(r.word()), kindUint)
	case kindDouble:
		return r.canonical(doubleNode(math.Float64frombits(r.word())), kindDouble)
	case kindString:
		return stringNode(r.text())
	case kindArray:
		return r.array(depth)
	case kindObject:
		return r.object(depth, opaque)
	default:
		r.fail(errValue)
		return nullNode
	}
}

func (r *snapshotReader) word() uint64 {
	data := r.bytes(8)
	if data == nil {
		return 0
	}
	return binary.BigEndian.Uint64(data)
}

// canonical refuses a number that is not written in its one representation.
func (r *snapshotReader) canonical(n *Node, want kind) *Node {
	f := math.Float64frombits(n.bits)
	if n.kind != want || want == kindDouble && (math.IsNaN(f) || math.IsInf(f, 0)) {
		r.fail(errValue)
	}
	return n
}

func (r *snapshotReader) array(depth int) *Node {
	var items []*Node
	for n := r.uint(); n > 0 && r.err == nil; n-- {
		items = append(items, r.node(depth+1, true))
	}
	return arrayNode(slices.Clip(items))
}

func (r *snapshotReader) object(depth int, opaque bool) *Node {
	pairs := keyed(r, func() *Node { return r.node(depth+1, opaque) })
	for _, p := range pairs {
		if segs := segments(p.key); !opaque && (len(segs) != 1 || segs[0] != p.key) {
			r.fail(errValue)
		}
	}
	return objectNode(pairs)
}

func (r *snapshotReader) lifetimes() (l lifetimes) {
	for _, p := range keyed(r, r.int) {
		l = l.with(p.key, p.value)
	}
	return l
}

func (r *snapshotReader) observers() (o observers) {
	pairs := keyed(r, r.texts)
	for _, p := range pairs {
		for _, url := range p.value {
			o.weight += observerWeight(p.key, url)
		}
	}
	o.ordered = orderedFrom(pairs)
	return o
}

// log reads the entries, numbers them and finds the client ids in them.
func (r *snapshotReader) log(s *State) {
	n := r.uint()
	if n > s.index {
		r.fail(errValue)
		return
	}
	for i := s.index - n; i < s.index && r.err == nil; i++ {
		e := Entry{Index: i + 1, Term: r.uint(), Timestamp: r.int(), ClientID: r.text()}
		e.Query = json.RawMessage(r.bytes(r.uint()))
		e.Expired = r.texts()
		s.log = append(s.log, e)
		s.logBytes += e.bytes()
		if e.ClientID != "" {
			s.clients = s.clients.with(e.ClientID, e.Index)
		}
	}
}

// end checks the checksum and that nothing follows it.
func (r *snapshotReader) end() {
	want := r.sum.Sum(nil)
	got := r.bytes(sha256.Size)
	if r.err != nil {
		return
	}
	if !bytes.Equal(want, got) {
		r.fail(errChecksum)
		return
	}
	switch _, err := r.from.ReadByte(); {
	case err == nil:
		r.fail(errTrailing)
	case !errors.Is(err, io.EOF):
		r.failRead(err)
	}
}
