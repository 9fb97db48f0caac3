package scenario

import (
	"strings"
	"sync"
)

// Form is one sentence of the language. In its text, words in small letters stand for themselves ("a/b":
// one of two), words in capitals are arguments, and what is in square brackets may be left out; several of those
// that follow each other come in any order.
type Form struct {
	Name    string // by which a parsed sentence is known: "hang disk"
	Text    string // "hang disk of A [at CALLS] [after COUNT]"
	About   string // what it does, one sentence
	Example string
	Needs   []string // features of the world: see [Requires]
	Fault   bool     // an action that breaks something, or collides with a backup: it has to be met
}

// elem is one part of a form.
type elem struct {
	words []string // a word, or one of several
	kind  string   // of the argument; "" for words
	group []elem   // may be left out
}

// read are the parts of forms by their texts: reading a scenario asks for them very often.
var read sync.Map

// elems reads the text of a form.
func (f Form) elems() []elem {
	if all, ok := read.Load(f.Text); ok {
		return all.([]elem)
	}
	all, rest := readElems(strings.Fields(strings.NewReplacer("[", "[ ", "]", " ]").Replace(f.Text)))
	if len(rest) > 0 {
		panic("scenario: form " + f.Text) // the forms are constants: a test reads each
	}
	read.Store(f.Text, all)
	return all
}

func readElems(fields []string) (all []elem, rest []string) {
	for len(fields) > 0 {
		f := fields[0]
		fields = fields[1:]
		switch {
		case f == "]":
			return all, fields
		case f == "[":
			var group []elem
			group, fields = readElems(fields)
			all = append(all, elem{group: group})
		case strings.ToUpper(f) == f && strings.ToLower(f) != f:
			all = append(all, elem{kind: f})
		default:
			all = append(all, elem{words: strings.Split(f, "/")})
		}
	}
	return all, nil
}

// arg is the name of an argument in Args.
func arg(kind string) string { return strings.ToLower(kind) }
