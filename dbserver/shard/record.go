package shard

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Change is one thing that a write did.
type Change struct {
	Kind  ChangeKind
	Key   string
	Value []byte // Put: the stored document, with its revision time before the JSON
}

// ChangeKind says what a Change did.
type ChangeKind byte

// Kinds of changes. The numbers are on disk.
const (
	Put      ChangeKind = 1
	Delete   ChangeKind = 2
	Truncate ChangeKind = 3 // all documents; no key
)

// Record is a log entry: the outcome of one write, not the request, so that
// applying it needs no rules and gives the same bytes everywhere.
type Record struct {
	Term, Seq uint64
	Changes   []Change
}

var errRecord = errors.New("log record is damaged")

// encode gives the value; Seq is in the key. Layout: format, term, number of
// changes, and for each: kind, key, value, the latter two with their lengths.
func (r Record) encode() []byte {
	size := 16
	for _, c := range r.Changes {
		size += 16 + len(c.Key) + len(c.Value)
	}
	b := append(make([]byte, 0, size), Format)
	b = binary.AppendUvarint(b, r.Term)
	b = binary.AppendUvarint(b, uint64(len(r.Changes)))
	for _, c := range r.Changes {
		b = append(b, byte(c.Kind))
		b = append(binary.AppendUvarint(b, uint64(len(c.Key))), c.Key...)
		b = append(binary.AppendUvarint(b, uint64(len(c.Value))), c.Value...)
	}
	return b
}

func decodeRecord(seq uint64, b []byte) (Record, error) {
	if len(b) == 0 || b[0] != Format {
		return Record{}, fmt.Errorf("%w: seq %d has an unknown format", errRecord, seq)
	}
	d := decoder{b: b[1:]}
	r := Record{Seq: seq, Term: d.number()}
	for n := d.number(); n > 0 && !d.short; n-- {
		kind := ChangeKind(d.bytes(1)[0])
		r.Changes = append(r.Changes, Change{Kind: kind, Key: string(d.field()), Value: d.field()})
	}
	if d.short || len(d.b) > 0 {
		return Record{}, fmt.Errorf("%w: seq %d", errRecord, seq)
	}
	return r, nil
}

// decoder reads fields until one is short; from then on it gives zeros.
type decoder struct {
	b     []byte
	short bool
}

func (d *decoder) number() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.short, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.short, d.b = true, nil
		return make([]byte, min(n, 1))
	}
	field := append([]byte(nil), d.b[:n]...)
	d.b = d.b[n:]
	return field
}

func (d *decoder) field() []byte { return d.bytes(d.number()) }
