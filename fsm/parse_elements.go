package fsm

import (
	"fmt"
	"slices"
	"strings"
)

// field is one attribute of an object as it was written.
type field struct {
	name string
	raw  []byte
}

// parseFields splits the text of an object into its attributes, sorted by name;
// a name may occur once.
func parseFields(raw []byte) ([]field, error) {
	var fields []field
	p := &parser{data: raw}
	p.pass('{')
	for p.more('}') {
		name, err := p.text()
		if err != nil {
			return nil, err
		}
		p.pass(':')
		fields = append(fields, field{name, p.skip()})
	}
	slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	for i := 1; i < len(fields); i++ {
		if fields[i].name == fields[i-1].name {
			return nil, fmt.Errorf("%w: %q", errRepeated, fields[i].name)
		}
	}
	return fields, nil
}

// parseElements splits the text of an array into its elements.
func parseElements(raw []byte) [][]byte {
	var elements [][]byte
	p := &parser{data: raw}
	p.pass('[')
	for p.more(']') {
		elements = append(elements, p.skip())
	}
	return elements
}

// Elements splits a JSON array into the texts of its elements, which share the
// bytes of raw. It is false if raw is not JSON or no array.
func Elements(raw []byte) ([][]byte, bool) {
	if !valid(raw) || opens(raw) != '[' {
		return nil, false
	}
	return parseElements(raw), true
}

// Texts reads an array of strings from text that is known to be JSON; false if it
// is anything else.
func Texts(raw []byte) ([]string, bool) {
	if opens(raw) != '[' {
		return nil, false
	}
	p := &parser{data: raw}
	p.pass('[')
	texts := []string{}
	for p.more(']') {
		if p.peek() != '"' {
			return nil, false
		}
		text, err := p.text()
		if err != nil {
			return nil, false
		}
		texts = append(texts, text)
	}
	return texts, true
}

// Only is the text of a JSON array's one element; false if raw is not JSON, no array, or
// has another number of elements.
func Only(raw []byte) ([]byte, bool) {
	if !valid(raw) || opens(raw) != '[' {
		return nil, false
	}
	p := &parser{data: raw}
	p.pass('[')
	if !p.more(']') {
		return nil, false
	}
	only := p.skip()
	return only, !p.more(']')
}
