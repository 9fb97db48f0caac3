package shard

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// meta is a shard's bookkeeping. It is written in the batch of every write, so
// it agrees with documents and log whatever prefix of the writes survives a crash.
type meta struct {
	term     uint64 // leadership term of the last write or term change
	seq      uint64 // number of the last write; the first is 1
	count    uint64 // documents
	revision uint64 // highest given in this shard
	log      logSpan
}

// logSpan is what is kept of the log: an old part and a newer one. When the newer
// has grown to half of what may be kept, the old one is deleted and the newer
// one becomes old: retention costs one range deletion now and then, and no scan.
type logSpan struct {
	first, middle uint64 // old: [first, middle), newer: [middle, seq]
	bytes         uint64 // of the newer part
}

// Retention bounds a shard's log.
type Retention struct {
	Entries uint64
	Bytes   uint64
}

var errMetaFormat = errors.New("shard meta has an unknown format")

func newMeta(term uint64) meta {
	return meta{term: term, log: logSpan{first: 1, middle: 1}}
}

// grow counts a record of that many bytes, which gets number seq. If cut, the
// records [from, to) are to be deleted.
func (l *logSpan) grow(seq uint64, size int, r Retention) (from, to uint64, cut bool) {
	l.bytes += uint64(size)
	if seq+1-l.middle <= r.Entries/2 && l.bytes <= r.Bytes/2 {
		return 0, 0, false
	}
	from, to = l.first, l.middle
	l.first, l.middle, l.bytes = l.middle, seq+1, 0
	return from, to, from < to
}

func (m *meta) fields() []*uint64 {
	return []*uint64{&m.term, &m.seq, &m.count, &m.revision, &m.log.first, &m.log.middle, &m.log.bytes}
}

func (m meta) encode() []byte {
	b := []byte{Format}
	for _, f := range m.fields() {
		b = binary.AppendUvarint(b, *f)
	}
	return b
}

func decodeMeta(b []byte) (m meta, err error) {
	if len(b) == 0 || b[0] != Format {
		return m, errMetaFormat
	}
	b = b[1:]
	for i, f := range m.fields() {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return m, fmt.Errorf("shard meta ends in field %d", i)
		}
		*f, b = v, b[n:]
	}
	return m, nil
}
