package fsm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Why a value is refused although it is JSON.
var (
	errSyntax    = errors.New("not JSON")
	errDepth     = fmt.Errorf("deeper than %d levels", maxDepth)
	errRepeated  = errors.New("one place is given two values")
	errNoSegment = errors.New("an attribute's name has no path segment")
	errRange     = errors.New("number out of range")
)

// Parse reads a JSON value. Slashes in the keys of objects separate path
// segments, except inside arrays, which are opaque. Refused are text that is not
// JSON, more than 200 levels, attributes that give one place two values
// (objects are merged) and numbers beyond a double.
func Parse(raw []byte) (*Node, error) {
	if !valid(raw) {
		return nil, errSyntax
	}
	return parseTree(raw, 0)
}

// parseTree reads valid JSON that will lie at a depth of the tree.
func parseTree(raw []byte, depth int) (*Node, error) {
	return (&parser{data: raw}).value(depth, false)
}

// parseElement reads valid JSON that will be an element of an array.
func parseElement(raw []byte, depth int) (*Node, error) {
	return (&parser{data: raw}).value(depth, true)
}

// parser walks over text that encoding/json has found valid, so syntax is not
// checked again.
type parser struct {
	data []byte
	at   int
}

// peek skips blanks and returns the byte at which the next token starts.
func (p *parser) peek() byte {
	for p.at < len(p.data) {
		switch c := p.data[p.at]; c {
		case ' ', '\t', '\r', '\n':
			p.at++
		default:
			return c
		}
	}
	return 0
}

// pass skips blanks and one punctuation mark if it is c.
func (p *parser) pass(c byte) {
	if p.peek() == c {
		p.at++
	}
}

// more says whether a list that closes with end goes on, and passes the end.
func (p *parser) more(end byte) bool {
	p.pass(',')
	if c := p.peek(); c == end || c == 0 {
		p.at++
		return false
	}
	return true
}

func (p *parser) value(depth int, opaque bool) (*Node, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	switch p.peek() {
	case '{':
		return p.object(depth, opaque)
	case '[':
		return p.array(depth)
	case '"':
		s, err := p.text()
		return stringNode(s), err
	case 'n':
		p.at += len("null")
		return nullNode, nil
	case 'f':
		p.at += len("false")
		return falseNode, nil
	case 't':
		p.at += len("true")
		return trueNode, nil
	default:
		return p.number()
	}
}

func (p *parser) array(depth int) (*Node, error) {
	var items []*Node
	p.pass('[')
	for p.more(']') {
		item, err := p.value(depth+1, true)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return arrayNode(slices.Clip(items)), nil
}

func (p *parser) object(depth int, opaque bool) (*Node, error) {
	var pairs []pair[*Node]
	plain := true
	p.pass('{')
	for p.more('}') {
		key, err := p.text()
		if err != nil {
			return nil, err
		}
		levels := 1
		if !opaque && (key == "" || strings.Contains(key, "/")) {
			levels, plain = len(segments(key)), false
			if levels == 0 {
				return nil, fmt.Errorf("%w: %q", errNoSegment, key)
			}
		}
		p.pass(':')
		kid, err := p.value(depth+levels, opaque)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, pair[*Node]{key, kid})
	}
	slices.SortFunc(pairs, func(a, b pair[*Node]) int { return strings.Compare(a.key, b.key) })
	for i := 1; i < len(pairs); i++ {
		if pairs[i].key == pairs[i-1].key {
			return nil, fmt.Errorf("%w: %q", errRepeated, pairs[i].key)
		}
	}
	if plain {
		return objectNode(pairs), nil
	}
	return merge(pairs)
}

// merge builds an object of pairs whose keys are paths.
func merge(pairs []pair[*Node]) (*Node, error) {
	whole := emptyObject
	for _, p := range pairs {
		part := p.value
		for _, seg := range slices.Backward(segments(p.key)) {
			part = objectNode([]pair[*Node]{{seg, part}})
		}
		var err error
		if whole, err = union(whole, part); err != nil {
			return nil, fmt.Errorf("%w: %q", err, p.key)
		}
	}
	return whole, nil
}

// union merges two objects; anything else that both sides have is a conflict.
func union(a, b *Node) (*Node, error) {
	if a == nil {
		return b, nil
	}
	if !a.is(kindObject) || !b.is(kindObject) {
		return nil, errRepeated
	}
	for key, kid := range b.Children() {
		both, err := union(a.child(key), kid)
		if err != nil {
			return nil, err
		}
		a = a.withChild(key, both)
	}
	return a, nil
}

// text reads a string. What is no UTF-8 in it becomes U+FFFD.
func (p *parser) text() (string, error) {
	raw := p.skipText()
	if plain := raw[1 : len(raw)-1]; bytes.IndexByte(plain, '\\') < 0 && utf8.Valid(plain) {
		return string(plain), nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("read a string: %w", err)
	}
	return s, nil
}

func (p *parser) skipText() []byte {
	p.peek()
	start := p.at
	p.at++
	// Most strings hold no escape: two searches that take many bytes at a time.
	rest := p.data[p.at:]
	if end := bytes.IndexByte(rest, '"'); end >= 0 && bytes.IndexByte(rest[:end], '\\') < 0 {
		p.at += end + 1
		return p.data[start:p.at]
	}
	for p.data[p.at] != '"' {
		if p.data[p.at] == '\\' {
			p.at++
		}
		p.at++
	}
	p.at++
	return p.data[start:p.at]
}

func (p *parser) number() (*Node, error) {
	word := string(p.skipWord())
	if i, err := strconv.ParseInt(word, 10, 64); err == nil {
		return intNode(i), nil
	}
	if u, err := strconv.ParseUint(word, 10, 64); err == nil {
		return uintNode(u), nil
	}
	f, err := strconv.ParseFloat(word, 64)
	if err != nil || math.IsInf(f, 0) {
		return nil, errRange
	}
	return doubleNode(f), nil
}

// skipWord passes a number, true, false or null.
func (p *parser) skipWord() []byte {
	p.peek()
	start := p.at
	for p.at < len(p.data) && !endsWord(p.data[p.at]) {
		p.at++
	}
	return p.data[start:p.at]
}

func endsWord(c byte) bool {
	switch c {
	case ' ', '\t', '\r', '\n', ',', ':', ']', '}':
		return true
	}
	return false
}

// skip passes one value of any kind and returns its text.
func (p *parser) skip() []byte {
	open := 0
	p.peek()
	start := p.at
	for {
		switch p.peek() {
		case '"':
			p.skipText()
		case '{', '[':
			open++
			p.at++
		case '}', ']':
			open--
			p.at++
		case ',', ':':
			p.at++
		default:
			p.skipWord()
		}
		if open == 0 {
			return p.data[start:p.at]
		}
	}
}

// opens is the first byte of a JSON text: what kind of value it holds.
func opens(raw []byte) byte { return (&parser{data: raw}).peek() }
