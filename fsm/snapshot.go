package fsm

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
)

// A snapshot is this text, the format number, the fields of the State in the
// order of WriteTo, and the SHA-256 of everything before it. The same state is
// always the same bytes. Client ids are not written: the log has them.
const (
	snapshotMagic  = "stasis key tree\n"
	snapshotFormat = 1
)

// WriteTo writes the state as a stream that [ReadState] understands. It may run
// beside Apply.
func (s *State) WriteTo(to io.Writer) (int64, error) {
	w := &snapshotWriter{to: to, sum: sha256.New()}
	w.buf = append(w.buf, snapshotMagic...)
	w.buf = append(w.buf, snapshotFormat)
	w.uint(s.index)
	w.uint(s.term)
	w.int(s.clock)
	w.node(s.root)
	w.uint(uint64(s.lifetimes.ends.len()))
	for path, end := range s.lifetimes.ends.all() {
		w.text(path)
		w.int(end)
	}
	w.uint(uint64(s.observers.len()))
	for path, urls := range s.observers.all() {
		w.text(path)
		w.texts(urls)
	}
	w.uint(uint64(len(s.log)))
	for _, e := range s.log {
		w.entry(e)
	}
	w.flush()
	w.buf = w.sum.Sum(w.buf[:0])
	w.flush()
	if w.err != nil {
		return w.written, fmt.Errorf("write a snapshot: %w", w.err)
	}
	return w.written, nil
}

// snapshotWriter gathers bytes and passes them on in larger pieces. After an
// error it goes on without effect.
type snapshotWriter struct {
	to      io.Writer
	sum     hash.Hash
	buf     []byte
	written int64
	err     error
}

func (w *snapshotWriter) flush() {
	if w.err != nil {
		w.buf = w.buf[:0]
		return
	}
	w.sum.Write(w.buf) // never fails
	n, err := w.to.Write(w.buf)
	w.written += int64(n)
	w.err = err
	w.buf = w.buf[:0]
}

func (w *snapshotWriter) flushIfLarge() {
	const large = 64 << 10
	if len(w.buf) >= large {
		w.flush()
	}
}

func (w *snapshotWriter) uint(u uint64) { w.buf = binary.AppendUvarint(w.buf, u) }

func (w *snapshotWriter) int(i int64) { w.buf = binary.AppendVarint(w.buf, i) }

func (w *snapshotWriter) text(s string) {
	w.uint(uint64(len(s)))
	w.buf = append(w.buf, s...)
	w.flushIfLarge()
}

func (w *snapshotWriter) texts(all []string) {
	w.uint(uint64(len(all)))
	for _, s := range all {
		w.text(s)
	}
}

// entry leaves the index out: the last entry's is the state's.
func (w *snapshotWriter) entry(e Entry) {
	w.uint(e.Term)
	w.int(e.Timestamp)
	w.text(e.ClientID)
	w.text(string(e.Query))
	w.texts(e.Expired)
}

func (w *snapshotWriter) node(n *Node) {
	w.buf = append(w.buf, byte(n.kind))
	switch n.kind {
	case kindInt:
		w.int(int64(n.bits))
	case kindUint, kindDouble:
		w.buf = binary.BigEndian.AppendUint64(w.buf, n.bits)
	case kindString:
		w.text(n.text)
	case kindArray:
		w.uint(uint64(len(n.items)))
		for _, item := range n.items {
			w.node(item)
		}
	case kindObject:
		w.uint(uint64(n.kids.len()))
		for key, kid := range n.kids.all() {
			w.text(key)
			w.node(kid)
		}
	}
	w.flushIfLarge()
}
