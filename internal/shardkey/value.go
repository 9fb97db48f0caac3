package shardkey

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
)

// Kinds of values in the canonical form. They decide where documents are, so they must never change.
const (
	kindNull   = 'n'
	kindFalse  = 'f'
	kindTrue   = 't'
	kindNumber = 'd' // float64, big endian
	kindString = 's' // length, bytes
	kindArray  = 'a' // length, elements
	kindObject = 'o' // length, names (as strings) and values, by name
	kindOther  = 'x' // not JSON: cannot be
)

// Same says whether two values of an attribute are the same. Nil is no attribute.
func Same(a, b json.RawMessage) bool {
	return bytes.Equal(a, b) || bytes.Equal(canonical(a), canonical(b))
}

// canonical is a value's canonical form: equal for values that are the same, and for no others.
func canonical(value json.RawMessage) []byte {
	if len(value) == 0 {
		return []byte{kindNull}
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	if err := d.Decode(&v); err != nil { // the document was checked before
		return appendText([]byte{kindOther}, string(value))
	}
	return appendValue(nil, v)
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		if v {
			return append(b, kindTrue)
		}
		return append(b, kindFalse)
	case json.Number:
		f, _ := strconv.ParseFloat(string(v), 64) // out of range is ±Inf
		if f == 0 {
			f = 0 // not -0
		}
		return binary.BigEndian.AppendUint64(append(b, kindNumber), math.Float64bits(f))
	case string:
		return appendText(append(b, kindString), v)
	case []any:
		b = binary.AppendUvarint(append(b, kindArray), uint64(len(v)))
		for _, element := range v {
			b = appendValue(b, element)
		}
		return b
	case map[string]any:
		b = binary.AppendUvarint(append(b, kindObject), uint64(len(v)))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			b = appendValue(appendText(b, name), v[name])
		}
		return b
	}
	return append(b, kindNull)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// hash is FNV-1a of 64 bits. It decides where documents are, so it must never change.
type hash uint64

const (
	offset hash = 0xcbf29ce484222325
	prime  hash = 0x100000001b3
)

func newHash() hash { return offset }

func (h *hash) add(b []byte) {
	for _, c := range b {
		*h = (*h ^ hash(c)) * prime
	}
}

// sum mixes the bits, so that all count modulo any number.
func (h hash) sum() uint64 {
	x := uint64(h)
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	return x
}
