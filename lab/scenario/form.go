package scenario

import (
	"slices"
	"strings"
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
	Fault   bool     // an action that breaks something: it has to be met
}

// elem is one part of a form.
type elem struct {
	words []string // a word, or one of several
	kind  string   // of the argument; "" for words
	group []elem   // may be left out
}

// elems reads the text of a form.
func (f Form) elems() []elem {
	all, rest := readElems(strings.Fields(strings.NewReplacer("[", "[ ", "]", " ]").Replace(f.Text)))
	if len(rest) > 0 {
		panic("scenario: form " + f.Text) // the forms are constants: a test reads each
	}
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

// match is the search for a way to read a sentence as a form.
type match struct {
	tokens []token
	args   map[string]string
	// far is the word that no way got beyond, and wanted what could have stood there.
	far    int
	wanted []string
}

func (m *match) want(at int, what string) {
	if at > m.far {
		m.far, m.wanted = at, nil
	}
	if at == m.far && !slices.Contains(m.wanted, what) {
		m.wanted = append(m.wanted, what)
	}
}

// form tries to read the sentence as a form.
func (m *match) form(f Form) bool {
	m.args = map[string]string{}
	return m.from(f.elems(), 0, func(at int) bool {
		if at < len(m.tokens) {
			m.want(at, "the end")
			return false
		}
		return true
	})
}

// from reads parts from a word on; then reads what follows.
func (m *match) from(parts []elem, at int, then func(at int) bool) bool {
	if len(parts) == 0 {
		return then(at)
	}
	p := parts[0]
	switch {
	case p.group != nil:
		return m.options(parts, at, then)
	case p.kind != "":
		return m.argument(parts, at, then)
	case at < len(m.tokens) && !m.tokens[at].quoted && slices.Contains(p.words, m.tokens[at].text):
		return m.from(parts[1:], at+1, then)
	}
	for _, w := range p.words {
		m.want(at, quote(w))
	}
	return false
}

// options reads groups that may be left out, in any order.
func (m *match) options(parts []elem, at int, then func(at int) bool) bool {
	n := 0
	for n < len(parts) && parts[n].group != nil {
		n++
	}
	for i := range n {
		others := slices.Concat(parts[:i], parts[i+1:])
		if m.from(parts[i].group, at, func(at int) bool { return m.from(others, at, then) }) {
			if g := parts[i].group; len(g) == 1 && g[0].words != nil {
				m.args[g[0].words[0]] = m.tokens[at].text // a word that is there or not
			}
			return true
		}
	}
	return m.from(parts[n:], at, then)
}

func (m *match) argument(parts []elem, at int, then func(at int) bool) bool {
	k := kindOf(parts[0].kind)
	for n := len(m.tokens) - at; n > 0; n-- {
		if !k.accepts(m.tokens[at : at+n]) {
			continue
		}
		if m.from(parts[1:], at+n, then) {
			m.args[arg(parts[0].kind)] = joined(m.tokens[at : at+n])
			return true
		}
	}
	m.want(at, k.Want)
	return false
}

// literals are the words that can stand at the beginning of forms, for suggestions.
func literals(forms []Form) []string {
	var all []string
	for _, f := range forms {
		for _, e := range f.elems() {
			all = append(all, e.words...)
			for _, g := range e.group {
				all = append(all, g.words...)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
