package shard

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// object is a JSON object in the order of its attributes, values as written: no
// number passes through a float64.
type object struct {
	members []member
	index   map[string]int // place by name; nil while there are few
}

// member is one attribute. name is decoded; quoted is the name as written; a nil
// value means removed.
type member struct {
	name   string
	quoted []byte
	value  []byte
}

// parseObject splits compact, valid JSON (see compact) into its attributes; ok
// is false if it is no object. Of an attribute that occurs twice the last value
// counts, at the first one's place. Nothing is copied.
func parseObject(compact []byte) (o *object, ok bool) {
	if len(compact) == 0 || compact[0] != '{' {
		return nil, false
	}
	o = &object{}
	for rest := compact[1:]; rest[0] != '}'; {
		n := valueLen(rest)
		quoted := rest[:n]
		rest = rest[n+1:] // the colon
		n = valueLen(rest)
		o.put(member{name: unquote(quoted), quoted: quoted, value: rest[:n]})
		if rest = rest[n:]; rest[0] == ',' {
			rest = rest[1:]
		}
	}
	return o, true
}

// compact checks raw and takes out white space.
func compact(raw []byte) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(len(raw))
	if err := json.Compact(&b, raw); err != nil {
		return nil, fmt.Errorf("document is no JSON: %w", err)
	}
	return b.Bytes(), nil
}

// valueLen is the length of the value at the start of compact, valid JSON that
// goes on with more of the object it is in.
func valueLen(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i += stringLen(b[i:]) - 1
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // a number or literal ended by what it is in
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ':':
			if depth == 0 {
				return i
			}
		}
	}
	return len(b)
}

// stringLen is the length of the string literal at the start of b.
func stringLen(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

func unquote(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil { // cannot be: compact has checked it
		return string(quoted)
	}
	return s
}

// indexedFrom is the number of attributes from which an object keeps an index.
const indexedFrom = 16

// put sets an attribute, keeping the place of an older value.
func (o *object) put(m member) {
	if i := o.find(m.name); i >= 0 {
		o.members[i].value = m.value
		return
	}
	o.members = append(o.members, m)
	if o.index != nil {
		o.index[m.name] = len(o.members) - 1
	}
}

// find gives an attribute's place, -1 if it is missing.
func (o *object) find(name string) int {
	if len(o.members) >= indexedFrom && o.index == nil {
		o.index = make(map[string]int, 2*len(o.members))
		for i := range o.members {
			o.index[o.members[i].name] = i
		}
	}
	if o.index != nil {
		if i, ok := o.index[name]; ok {
			return i
		}
		return -1
	}
	for i := range o.members {
		if o.members[i].name == name {
			return i
		}
	}
	return -1
}

// appendMembers writes the attributes, separated by commas, without braces.
func (o *object) appendMembers(b []byte) []byte {
	comma := false
	for _, m := range o.members {
		if m.value == nil { // removed
			continue
		}
		if comma {
			b = append(b, ',')
		}
		comma = true
		b = append(append(append(b, m.quoted...), ':'), m.value...)
	}
	return b
}

func (o *object) encode() []byte { return append(o.appendMembers([]byte{'{'}), '}') }

// quote writes s as JSON.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return string(bytes.TrimSpace(b.Bytes()))
}
