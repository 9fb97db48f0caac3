package shard

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Change is one thing that a write did.
type Change struct {
	Kind  ChangeKind
	Key   string // of the document; of changes after Truncate: the transaction's id, 8 bytes
	Value []byte // Put: the stored document, with its revision time before the JSON
}

// ChangeKind says what a Change did.
type ChangeKind byte

// Kinds of changes. The numbers are on disk.
const (
	Put      ChangeKind = 1
	Delete   ChangeKind = 2
	Truncate ChangeKind = 3 // all documents; no key

	// These are of format 3. Documents change together with a decision or a resolution.
	Prepare   ChangeKind = 4 // Value: home and changes; see prepared.go
	Decided   ChangeKind = 5 // the transaction is committed. Value: the other shards
	Resolved  ChangeKind = 6 // it is prepared no more. Value: one byte, 1 if it is committed
	Forgotten ChangeKind = 7 // its decision is not needed any more
)

// Record is a log entry. It has the outcome of one write or transaction, not the request, so applying it needs
// no rules and gives the same bytes on every replica.
type Record struct {
	Tenure
	Seq     uint64
	Time    uint64 // of the clock
	Added   int64  // documents; what Truncate takes away is not counted
	Changes []Change
}

// position is the record's name.
func (r Record) position() Position { return Position{Tenure: r.Tenure, Seq: r.Seq} }

var errRecord = errors.New("log record is damaged")

// Encode gives the value under the record's number. Layout: format, term, reboot
// id, time, added, number of changes, and for each: kind, key, value, the latter
// two with their lengths.
func (r Record) Encode() []byte {
	size := 40
	for _, c := range r.Changes {
		size += 16 + len(c.Key) + len(c.Value)
	}
	b := r.Tenure.append(append(make([]byte, 0, size), layoutFormat))
	b = binary.AppendUvarint(b, r.Time)
	b = binary.AppendVarint(b, r.Added)
	return appendChanges(b, r.Changes)
}

func appendChanges(b []byte, changes []Change) []byte {
	b = binary.AppendUvarint(b, uint64(len(changes)))
	for _, c := range changes {
		b = append(b, byte(c.Kind))
		b = append(binary.AppendUvarint(b, uint64(len(c.Key))), c.Key...)
		b = append(binary.AppendUvarint(b, uint64(len(c.Value))), c.Value...)
	}
	return b
}

// DecodeRecord reads what Encode wrote under the number seq. It copies nothing: the
// record's values are parts of b.
func DecodeRecord(seq uint64, b []byte) (Record, error) {
	if len(b) == 0 || !knownFormat(b[0]) {
		return Record{}, fmt.Errorf("%w: seq %d has an unknown format", errRecord, seq)
	}
	d := decoder{b: b[1:], most: Forgotten}
	if b[0] < 3 {
		d.most = Truncate
	}
	r := Record{Seq: seq}
	r.Term, r.Reboot, r.Time = d.number(), d.number(), d.number()
	r.Added = d.signed()
	r.Changes = d.changes()
	if d.short || len(d.b) > 0 {
		return Record{}, fmt.Errorf("%w: seq %d", errRecord, seq)
	}
	return r, nil
}

// decoder reads fields until one is short; from then on it gives zeros.
type decoder struct {
	b     []byte
	short bool
	most  ChangeKind // the last kind that the format has
}

func (d *decoder) changes() (changes []Change) {
	for n := d.number(); n > 0 && !d.short; n-- {
		changes = append(changes, Change{Kind: d.kind(), Key: string(d.field()), Value: d.field()})
	}
	return changes
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

func (d *decoder) signed() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.short, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) kind() ChangeKind {
	if len(d.b) == 0 {
		d.short = true
		return 0
	}
	k := ChangeKind(d.b[0])
	if d.b = d.b[1:]; k < Put || k > d.most {
		d.short = true
	}
	return k
}

func (d *decoder) field() []byte {
	n := d.number()
	if n > uint64(len(d.b)) {
		d.short, d.b = true, nil
		return nil
	}
	field := d.b[:n:n]
	d.b = d.b[n:]
	return field
}
