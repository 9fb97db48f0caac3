package shard

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// layoutFormat is the number of the layout below. It is the first byte of every value but documents. What is written has
// this number. Format 2 is read as well: it had no transactions, and records of one change. (Format 1 had no
// tenures.) Another number is refused: a version that does not know transactions must not open a shard
// that has any.
//
//	S <shard> 00 d <key>     document: revision time (8 bytes), JSON with _key, _id, _rev first
//	S <shard> 00 e <key>     the same; meta says which of the two areas has the documents. A copy is
//	                         brought into the other one, and takes its place when it is whole
//	S <shard> 00 l <seq>     log record (8 bytes big-endian): format, tenure, time, changes; see record.go
//	S <shard> 00 m           meta: format and counters; see meta.go. A shard exists while it has this key
//	S <shard> 00 p <id>      transaction (8 bytes big-endian) that is prepared: home, changes; see prepared.go. In the
//	S <shard> 00 q <id>      second area
//	S <shard> 00 r           after a restore: where the shard stood at the cut; see restored.go
//	S <shard> 00 t <id>      transaction that is decided, with this shard as its home: the others; see decision.go. In
//	S <shard> 00 u <id>      the second area
//
// Numbers are big-endian, so keys sort by them. Shard names have no zero byte.
// All of a shard is one range, and so is each area of documents, and of transactions of a kind: dropping,
// truncating and exchanging the areas are range deletions. Beside these there is the system value "clock", the
// clock's bound (8 bytes).
const (
	layoutFormat   = 3
	earliestFormat = 2 // that is read
)

const (
	shardPrefix = 'S'
	nameEnd     = 0

	kindDocument = 'd'
	kindLog      = 'l'
	kindMeta     = 'm'
	kindPrepared = 'p'
	kindRestored = 'r'
	kindDecided  = 't'
)

// knownFormat says whether this version reads a format.
func knownFormat(format byte) bool { return earliestFormat <= format && format <= layoutFormat }

// layout makes one shard's keys.
type layout struct{ prefix []byte } // S <shard> 00

func layoutOf(shard string) layout {
	return layout{prefix: append(append([]byte{shardPrefix}, shard...), nameEnd)}
}

// Space is a kind of what a replica has: each has a range of keys in each area.
type Space byte

// Spaces.
const (
	Documents     Space = kindDocument // by their keys
	PreparedTxns  Space = kindPrepared // transactions that are prepared, by their ids in 8 bytes
	DecisionsMade Space = kindDecided  // transactions that are decided, likewise
)

// spaces are in the order in which a copy has them.
var spaces = [...]Space{Documents, PreparedTxns, DecisionsMade}

// area is where documents and transactions are: one of two.
type area byte

const (
	firstArea  area = kindDocument
	secondArea area = kindDocument + 1
)

// other is the area that the documents are not in.
func (a area) other() area { return firstArea + secondArea - a }

func (l layout) document(in area, key string) []byte {
	return append(l.of(byte(in), len(key)), key...)
}

func (l layout) entry(s Space, in area, key string) []byte {
	return append(l.of(byte(s)+byte(in-firstArea), len(key)), key...)
}

// entries of a space in an area are in [from, to).
func (l layout) entries(s Space, in area) (from, to []byte) {
	kind := byte(s) + byte(in-firstArea)
	return l.of(kind, 0), l.of(kind+1, 0)
}

func (l layout) log(seq uint64) []byte {
	return binary.BigEndian.AppendUint64(l.of(kindLog, 8), seq)
}

func (l layout) meta() []byte { return l.of(kindMeta, 0) }

func (l layout) restored() []byte { return l.of(kindRestored, 0) }

// of starts a key, with room for n bytes more.
func (l layout) of(kind byte, n int) []byte {
	b := make([]byte, 0, len(l.prefix)+1+n)
	return append(append(b, l.prefix...), kind)
}

// documents of an area, from the one after key on, are in [from, to).
func (l layout) documents(in area, after string) (from, to []byte) {
	if after == "" {
		return l.of(byte(in), 0), l.of(byte(in)+1, 0)
	}
	return append(l.document(in, after), 0), l.of(byte(in)+1, 0)
}

// everything of the shard is in [from, to).
func (l layout) everything() (from, to []byte) {
	to = bytes.Clone(l.prefix)
	to[len(to)-1] = nameEnd + 1
	return l.prefix, to
}

// keyOf is the key of a document or transaction in an engine key.
func (l layout) keyOf(engineKey []byte) string { return string(engineKey[len(l.prefix)+1:]) }

// seqOf is the number in a log record's engine key.
func (l layout) seqOf(engineKey []byte) uint64 {
	return binary.BigEndian.Uint64(engineKey[len(l.prefix)+1:])
}

// nameOf is the shard that an engine key belongs to.
func nameOf(engineKey []byte) (string, error) {
	end := bytes.IndexByte(engineKey, nameEnd)
	if end < 1 || engineKey[0] != shardPrefix {
		return "", fmt.Errorf("engine key %q belongs to no shard", engineKey)
	}
	return string(engineKey[1:end]), nil
}
