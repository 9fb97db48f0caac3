package fsm

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// MarshalJSON writes the value with sorted keys and no blanks, so equal values
// are equal text; a missing value is null.
func (n *Node) MarshalJSON() ([]byte, error) { return n.appendJSON(nil), nil }

// AppendJSON appends what MarshalJSON writes.
func (n *Node) AppendJSON(to []byte) []byte { return n.appendJSON(to) }

// String is the value as JSON, for messages.
func (n *Node) String() string { return string(n.appendJSON(nil)) }

func (n *Node) appendJSON(to []byte) []byte {
	if n == nil {
		return append(to, "null"...)
	}
	switch n.kind {
	case kindFalse:
		return append(to, "false"...)
	case kindTrue:
		return append(to, "true"...)
	case kindInt:
		return strconv.AppendInt(to, int64(n.bits), 10)
	case kindUint:
		return strconv.AppendUint(to, n.bits, 10)
	case kindDouble:
		return appendDouble(to, math.Float64frombits(n.bits))
	case kindString:
		return appendText(to, n.text)
	case kindArray:
		to = append(to, '[')
		for i, item := range n.items {
			if i > 0 {
				to = append(to, ',')
			}
			to = item.appendJSON(to)
		}
		return append(to, ']')
	case kindObject:
		return n.appendObject(to)
	default:
		return append(to, "null"...)
	}
}

func (n *Node) appendObject(to []byte) []byte {
	to = append(to, '{')
	first := true
	for key, kid := range n.Children() {
		if !first {
			to = append(to, ',')
		}
		first = false
		to = append(appendText(to, key), ':')
		to = kid.appendJSON(to)
	}
	return append(to, '}')
}

// appendDouble writes the shortest text that reads back as f, in the form that
// JavaScript and encoding/json use.
func appendDouble(to []byte, f float64) []byte {
	if size := math.Abs(f); size < 1e-6 || size >= 1e21 {
		to = strconv.AppendFloat(to, f, 'e', -1, 64)
		if n := len(to); to[n-4] == 'e' && to[n-3] == '-' && to[n-2] == '0' {
			to = append(to[:n-2], to[n-1]) // e-07 is e-7
		}
		return to
	}
	return strconv.AppendFloat(to, f, 'f', -1, 64)
}

func appendText(to []byte, s string) []byte {
	const hex = "0123456789abcdef"
	to = append(to, '"')
	start := 0
	for i := plainLength(s); i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		to = append(to, s[start:i]...)
		switch c {
		case '"', '\\':
			to = append(to, '\\', c)
		case '\n':
			to = append(to, '\\', 'n')
		case '\r':
			to = append(to, '\\', 'r')
		case '\t':
			to = append(to, '\\', 't')
		default:
			to = append(to, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		start = i + 1
	}
	return append(append(to, s[start:]...), '"')
}

// pieceBytes is from which length on a piece of a large text is passed on.
const pieceBytes = 64 << 10

// StreamJSON appends what MarshalJSON writes to a buffer, and passes the buffer on as it
// fills: full takes it and gives the next one. The rest is returned. So the text of a large
// tree need not be in memory at once.
func (n *Node) StreamJSON(to []byte, full func([]byte) []byte) []byte {
	open, end := byte('['), byte(']')
	switch {
	case n.is(kindObject):
		open, end = '{', '}'
	case !n.is(kindArray):
		return n.appendJSON(to)
	}
	to = append(to, open)
	first := true
	next := func(key string, kid *Node) {
		if !first {
			to = append(to, ',')
		}
		first = false
		if n.kind == kindObject {
			to = append(appendText(to, key), ':')
		}
		if to = kid.StreamJSON(to, full); len(to) >= pieceBytes {
			to = full(to)
		}
	}
	for _, item := range n.items {
		next("", item)
	}
	for key, kid := range n.Children() {
		next(key, kid)
	}
	return append(to, end)
}

// Decode stores the value in what into points to, by the rules of
// json.Unmarshal. If there is no value it returns [ErrMissing].
func (n *Node) Decode(into any) error {
	if n == nil {
		return ErrMissing
	}
	if err := json.Unmarshal(n.appendJSON(nil), into); err != nil {
		return fmt.Errorf("decode a value: %w", err)
	}
	return nil
}
