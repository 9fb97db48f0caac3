package scenario

import (
	"encoding/json"
	"regexp"
	"strings"

	"stasis/lab/workload"
)

// Schema is a JSON schema of scenarios (draft 2020-12), for editors: they complete fields, show what a sentence means,
// and mark what is none. It knows no servers and operations: [Parse] does.
func Schema() ([]byte, error) {
	var c Cluster
	var l workload.Spec
	var p Power
	names := map[string]any{}
	for _, w := range workload.List() {
		settings := objectOf(loadFields(&l))
		names[w.Name] = map[string]any{"description": w.Text, "anyOf": []any{settings, map[string]any{"type": "null"}}}
	}
	when := map[string]any{}
	action := sentenceSchema(Actions())
	for _, f := range Whens() {
		when[pattern(f)] = map[string]any{"description": f.About, "anyOf": []any{action, listOf(action, 1)}}
	}
	properties := map[string]any{
		"about": textValue.schema, "lasts": timeValue.schema,
		"worlds":  listOf(map[string]any{"enum": asAny(WorldNames)}, 1),
		"cluster": objectOf(clusterFields(&c)),
		"load": listOf(map[string]any{"anyOf": []any{
			map[string]any{"enum": asAny(workloadNames())},
			map[string]any{"type": "object", "properties": names, "additionalProperties": false},
		}}, 0),
		"do":     listOf(map[string]any{"type": "object", "patternProperties": when, "additionalProperties": false}, 0),
		"expect": listOf(sentenceSchema(Expectations()), 0),
		"power":  objectOf(powerFields(&p)),
	}
	for _, f := range topFields {
		described := map[string]any{"description": f.about}
		for k, v := range properties[f.name].(map[string]any) {
			described[k] = v
		}
		properties[f.name] = described
	}
	return json.MarshalIndent(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A scenario of the Stasis fault lab",
		"type": "object", "properties": properties, "additionalProperties": false, "required": []any{"do"},
	}, "", "  ")
}

func asAny(all []string) []any {
	list := make([]any, len(all))
	for i, s := range all {
		list[i] = s
	}
	return list
}

// listOf is a list of items; a single one may stand for a list of one if it has least 0 or 1.
func listOf(item map[string]any, least int) map[string]any {
	return map[string]any{"type": "array", "items": item, "minItems": least}
}

func objectOf(fields []Field) map[string]any {
	properties := map[string]any{}
	for _, f := range fields {
		one := map[string]any{"description": f.About}
		for k, v := range f.value.schema {
			one[k] = v
		}
		properties[f.Name] = one
	}
	return map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
}

// sentenceSchema accepts the sentences of any of the forms.
func sentenceSchema(forms []Form) map[string]any {
	var any_ []any
	for _, f := range forms {
		any_ = append(any_, map[string]any{"type": "string", "pattern": pattern(f), "description": f.Text + ": " + f.About})
	}
	return map[string]any{"anyOf": any_}
}

// pattern is a regular expression of a form. It is looser than the parser, and knows no order of options.
func pattern(f Form) string {
	return "^\\s*" + strings.TrimPrefix(patternOf(f.elems()), `\s+`) + `\s*$`
}

func patternOf(parts []elem) string {
	var b strings.Builder
	for i := 0; i < len(parts); i++ {
		p := parts[i]
		switch {
		case p.group != nil:
			var options []string
			for ; i < len(parts) && parts[i].group != nil; i++ {
				options = append(options, patternOf(parts[i].group))
			}
			i--
			b.WriteString("(?:" + strings.Join(options, "|") + ")*")
		case p.kind != "":
			b.WriteString(`\s+` + kindOf(p.kind).pattern)
		default:
			words := make([]string, len(p.words))
			for j, w := range p.words {
				words[j] = regexp.QuoteMeta(w)
			}
			b.WriteString(`\s+(?:` + strings.Join(words, "|") + `)`)
		}
	}
	return b.String()
}
