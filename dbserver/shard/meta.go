package shard

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// meta is a shard's bookkeeping. It is written in the batch of every change, so it
// agrees with documents and log whatever prefix of the batches survives a crash.
type meta struct {
	promised  Tenure // the latest one heard of: older ones are refused
	last      Tenure // of record seq
	seq       uint64 // number of the last record; the first is 1
	committed uint64 // number of the last record that is applied to the documents
	count     uint64 // documents
	revision  uint64 // highest given in this shard
	log       logSpan
	documents area // that has the documents
	copying   bool // the documents are an unfinished copy, and worth nothing: earlier versions copied in place
}

// position is where the log ends.
func (m *meta) position() Position { return Position{Tenure: m.last, Seq: m.seq} }

// logSpan is what is kept of the log: an old part and a newer one. When the newer part has
// grown to half of what may be kept, the old part is deleted and the newer one becomes old. So
// retention costs one range deletion now and then, and no scan.
type logSpan struct {
	first, middle           uint64 // old: [first, middle), newer: [middle, seq]
	beforeFirst, beforeHalf Tenure // of the records first-1 and middle-1
	bytes                   uint64 // of the newer part
}

// Retention bounds a shard's log.
type Retention struct {
	Entries uint64
	Bytes   uint64
}

// stretch is how many times Retention the log may grow to while a copy needs it.
const stretch = 16

var errMetaFormat = errors.New("shard meta has an unknown format")

func newMeta() meta { return meta{documents: firstArea, log: logSpan{first: 1, middle: 1}} }

// grow counts a record of that many bytes at p. If cut, the records [from, to) are to be
// deleted. A record that is not applied yet is never deleted. One from pinned on is deleted
// only if the log has grown to stretch times Retention: a copy that takes that long must not
// fill the disk, and begins again.
func (l *logSpan) grow(p Position, size int, r Retention, applied, pinned uint64) (from, to uint64, cut bool) {
	l.bytes += uint64(size)
	if p.Seq+1-l.middle <= r.Entries/2 && l.bytes <= r.Bytes/2 || l.middle > applied+1 {
		return 0, 0, false
	}
	if l.middle > pinned && p.Seq+1-l.first < stretch*r.Entries && l.bytes < stretch*r.Bytes {
		return 0, 0, false
	}
	from, to = l.first, l.middle
	*l = logSpan{first: l.middle, beforeFirst: l.beforeHalf, middle: p.Seq + 1, beforeHalf: p.Tenure}
	return from, to, from < to
}

// cutBack forgets the records after p.
func (l *logSpan) cutBack(p Position) {
	if l.middle > p.Seq+1 {
		l.middle, l.beforeHalf, l.bytes = p.Seq+1, p.Tenure, 0
	}
}

func (m *meta) fields() []*uint64 {
	return []*uint64{
		&m.promised.Term, &m.promised.Reboot, &m.last.Term, &m.last.Reboot, &m.seq, &m.committed, &m.count, &m.revision,
		&m.log.first, &m.log.middle, &m.log.beforeFirst.Term, &m.log.beforeFirst.Reboot,
		&m.log.beforeHalf.Term, &m.log.beforeHalf.Reboot, &m.log.bytes,
	}
}

// Flags of a meta value. An unknown flag is refused: otherwise a version that does not know
// the second area would take the first one for the documents.
const (
	flagCopying    = 1
	flagSecondArea = 2
)

func (m meta) encode() []byte {
	b := []byte{layoutFormat, 0}
	if m.copying {
		b[1] |= flagCopying
	}
	if m.documents == secondArea {
		b[1] |= flagSecondArea
	}
	for _, f := range m.fields() {
		b = binary.AppendUvarint(b, *f)
	}
	return b
}

func decodeMeta(b []byte) (m meta, err error) {
	if len(b) < 2 || !knownFormat(b[0]) || b[1] > flagCopying|flagSecondArea {
		return m, errMetaFormat
	}
	m.copying, m.documents = b[1]&flagCopying != 0, firstArea
	if b[1]&flagSecondArea != 0 {
		m.documents = secondArea
	}
	b = b[2:]
	for i, f := range m.fields() {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return m, fmt.Errorf("shard meta ends in field %d", i)
		}
		*f, b = v, b[n:]
	}
	return m, nil
}
