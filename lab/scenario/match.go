package scenario

import "slices"

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
