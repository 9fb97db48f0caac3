package scenario

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// sentence reads a text as one of the forms.
func (r *reader) sentence(line int, text, what string, forms []Form) (Form, map[string]string, bool) {
	words, ok := tokens(text)
	switch {
	case !ok:
		r.add(line, "%s: a quote is not closed (between [ and ] a comma ends an entry: put the whole entry in ' ')", quote(text))
		return Form{}, nil, false
	case len(words) == 0:
		r.add(line, "want %s, not nothing", what)
		return Form{}, nil, false
	}
	chosen := r.beginning(words[0], forms)
	if len(chosen) == 0 {
		r.add(line, "%s: there is no %s %s%s", quote(text), what, quote(words[0].text), r.suggestion(words, forms))
		return Form{}, nil, false
	}
	m := &match{tokens: words}
	for _, f := range chosen {
		if m.form(f) {
			return f, m.args, true
		}
	}
	r.add(line, "%s: %s", quote(text), m.explain(chosen))
	return Form{}, nil, false
}

// beginning is the forms that can begin with a word.
func (r *reader) beginning(word token, forms []Form) []Form {
	return slices.DeleteFunc(slices.Clone(forms), func(f Form) bool {
		first := f.elems()[0]
		switch {
		case first.kind == "OPERATIONS":
			list := OperationsIn(word.text)
			return word.quoted || !slices.ContainsFunc(list, func(l string) bool { return slices.Contains(labelsOf(r.operations), l) || l == "both" || l == "all" })
		case first.kind != "":
			return !kindOf(first.kind).accepts([]token{word})
		}
		return word.quoted || !slices.Contains(first.words, word.text)
	})
}

// suggestion says what the beginning of a sentence may have meant, or which beginnings there are.
func (r *reader) suggestion(words []token, forms []Form) string {
	all := r.beginnings(forms)
	if meant := didYouMean(words[0].text, all); meant != "" {
		return meant
	}
	if serverList(words) {
		return " (between [ and ] a comma ends an entry: put an entry with commas in ' ')"
	}
	return ": want " + strings.Join(all, ", ")
}

func (r *reader) beginnings(forms []Form) []string {
	var all []string
	for _, f := range forms {
		for _, w := range f.elems()[0].words {
			if !slices.Contains(all, w) {
				all = append(all, w)
			}
		}
	}
	return all
}

// explain says where no form went on, and what would be right.
func (m *match) explain(forms []Form) string {
	text, meant := "want "+strings.Join(m.wanted, " or "), ""
	if m.far < len(m.tokens) {
		word := m.tokens[m.far].text
		text += " instead of " + quote(word)
		var near []string
		for _, w := range m.wanted {
			near = append(near, strings.Trim(w, "`"))
		}
		if slices.ContainsFunc(m.wanted, func(w string) bool { return strings.Contains(w, "server") || strings.Contains(w, "coordinator") }) {
			near = append(near, serverNames()...)
		}
		meant = didYouMean(word, near)
	} else {
		text += " at the end"
	}
	var samples []string
	for _, f := range forms {
		samples = append(samples, f.Text)
	}
	return text + "; the form is: " + strings.Join(samples, "  or  ") + meant
}

func (r *reader) do(n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		r.add(n.Line, "do: want a list of steps, each begun with `- `, not %s", kindName(n))
		return
	}
	for _, v := range n.Content {
		v = resolved(v)
		if v.Kind != yaml.MappingNode {
			r.add(v.Line, "a step of do: want a time and an action, as `- at 1s: backup a`, not %s", kindName(v))
			continue
		}
		r.mapping(v, "a step of do", r.step)
	}
}

func (r *reader) step(key, v *yaml.Node) {
	s := Step{Line: key.Line, When: When{Text: key.Value}}
	f, args, ok := r.sentence(key.Line, key.Value, "time of a step", Whens())
	if ok {
		s.When = whenOf(f, args, key.Value)
	}
	r.list(v, func(v *yaml.Node) {
		if v.Tag == "!!null" {
			r.add(key.Line, "%s: want an action, or a list of actions, after the colon", quote(key.Value))
			return
		}
		if v.Kind != yaml.ScalarNode {
			r.add(v.Line, "an action: want a text, not %s", kindName(v))
			return
		}
		f, args, ok := r.sentence(v.Line, v.Value, "action", Actions())
		if !ok {
			return
		}
		a := Action{Verb: f.Name, Args: args, Text: v.Value, Line: v.Line}
		s.Actions = append(s.Actions, a)
		r.begins(a)
	})
	r.s.Do = append(r.s.Do, s)
}

func (r *reader) expectation(v *yaml.Node) {
	if v.Kind != yaml.ScalarNode {
		r.add(v.Line, "an expectation: want a text, not %s", kindName(v))
		return
	}
	f, args, ok := r.sentence(v.Line, v.Value, "expectation", Expectations())
	if ok {
		r.s.Expect = append(r.s.Expect, Expectation{Kind: f.Name, Args: args, Text: v.Value, Line: v.Line})
	}
}
