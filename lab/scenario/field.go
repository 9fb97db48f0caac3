package scenario

import (
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Field is a field of the YAML.
type Field struct {
	Name, About, Default string
	value                value
	set                  func(any) // receives what value has read
}

// value is a kind of value of a field.
type value struct {
	want   string
	read   func(text string) (any, bool)
	schema map[string]any
}

var (
	countValue = value{"a number above 0", func(s string) (any, bool) {
		n, err := strconv.Atoi(s)
		return n, err == nil && n > 0 && n <= 100_000
	}, map[string]any{"type": "integer", "minimum": 1}}
	serversValue = value{"a number from 1 to 100", func(s string) (any, bool) {
		n, err := strconv.Atoi(s)
		return n, err == nil && n > 0 && n <= 100
	}, map[string]any{"type": "integer", "minimum": 1, "maximum": 100}}
	timeValue = value{"a time such as 20ms", func(s string) (any, bool) {
		d, err := time.ParseDuration(s)
		return d, err == nil && d >= 0
	}, map[string]any{"type": "string", "pattern": "^" + timeRegexp + "$"}}
	spanValue = value{"a time above 0 such as 20ms, or leave it out", func(s string) (any, bool) {
		d, err := time.ParseDuration(s)
		return d, err == nil && d > 0
	}, map[string]any{"type": "string", "pattern": "^" + timeRegexp + "$"}}
	rangeValue = value{"a time such as 1ms, or two such as 0.1ms..1ms, the smaller first", readRange,
		map[string]any{"type": "string", "pattern": "^" + timeRegexp + `(?:\.\.` + timeRegexp + ")?$"}}
	partValue = value{"a part such as 5%, or a number from 0 to 1", readPart,
		map[string]any{"anyOf": []any{map[string]any{"type": "number", "minimum": 0, "maximum": 1}, map[string]any{"type": "string", "pattern": `^[0-9]+(?:\.[0-9]+)?%$`}}}}
	numberValue = value{"a number from 0 on", func(s string) (any, bool) {
		f, err := strconv.ParseFloat(s, 64)
		return f, err == nil && f >= 0 && f < 100
	}, map[string]any{"type": "number", "minimum": 0}}
	flagValue = value{"true or false", func(s string) (any, bool) { return s == "true", s == "true" || s == "false" },
		map[string]any{"type": "boolean"}}
	textValue  = value{"a text", func(s string) (any, bool) { return strings.TrimSpace(s), strings.TrimSpace(s) != "" }, map[string]any{"type": "string"}}
	lockValue  = value{"none", func(s string) (any, bool) { return s, s == "none" }, map[string]any{"enum": []any{"none"}}}
	breakValue = value{`"> 5%", the least part of runs in which a violation has to be found`, readOver,
		map[string]any{"type": "string", "pattern": `^> [0-9]+(?:\.[0-9]+)?%$`}}
)

func readRange(s string) (any, bool) {
	least, most, two := strings.Cut(s, "..")
	if !two {
		most = least
	}
	a, err1 := time.ParseDuration(least)
	b, err2 := time.ParseDuration(most)
	return [2]time.Duration{a, b}, err1 == nil && err2 == nil && a >= 0 && a <= b
}

func readPart(s string) (any, bool) {
	number, percent := strings.CutSuffix(s, "%")
	f, err := strconv.ParseFloat(number, 64)
	if percent {
		f /= 100
	}
	return f, err == nil && f >= 0 && f <= 1
}

func readOver(s string) (any, bool) {
	rest, over := strings.CutPrefix(s, "> ")
	if !over || !strings.HasSuffix(rest, "%") {
		return 0.0, false
	}
	return readPart(rest)
}

// fieldsOf reads a mapping by its fields.
func (r *reader) fieldsOf(n *yaml.Node, what string, fields []Field) {
	r.mapping(n, what, func(key, v *yaml.Node) {
		var names []string
		for _, f := range fields {
			if f.Name == key.Value {
				r.field(v, f)
				return
			}
			names = append(names, f.Name)
		}
		r.add(key.Line, "%s has no field %s: want %s%s", what, quote(key.Value), strings.Join(names, ", "), didYouMean(key.Value, names))
	})
}

func (r *reader) field(v *yaml.Node, f Field) {
	if v.Kind != yaml.ScalarNode {
		r.add(v.Line, "%s: want %s, not %s", f.Name, f.value.want, kindName(v))
		return
	}
	got, ok := f.value.read(v.Value)
	if !ok {
		r.add(v.Line, "%s: want %s, not %s", f.Name, f.value.want, quote(v.Value))
		return
	}
	f.set(got)
}

// mapping calls each for the entries of a mapping.
func (r *reader) mapping(n *yaml.Node, what string, each func(key, v *yaml.Node)) {
	n = resolved(n)
	if n.Kind != yaml.MappingNode {
		r.add(n.Line, "%s: want fields, as {name: value}, not %s", what, kindName(n))
		return
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, v := n.Content[i], resolved(n.Content[i+1])
		if before := lines[key.Value]; before > 0 {
			r.add(key.Line, "%s has %s already, on line %d", what, quote(key.Value), before)
			continue
		}
		lines[key.Value] = key.Line
		each(key, v)
	}
}

// list calls each for the entries of a list, or for a single value.
func (r *reader) list(n *yaml.Node, each func(v *yaml.Node)) {
	if n = resolved(n); n.Kind != yaml.SequenceNode {
		each(n)
		return
	}
	for _, v := range n.Content {
		each(resolved(v))
	}
}

// resolved is the node that an alias stands for.
func resolved(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func kindName(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping (a colon followed by a space makes one: put the text in quotes)"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "nothing"
	}
	return quote(n.Value)
}
