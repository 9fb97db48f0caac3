package scenario

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"stasis/lab/history"
	"stasis/lab/workload"
)

// Parse reads a scenario. Errors name the line and say what would be right.
func Parse(name string, text []byte) (*Scenario, error) {
	r := &reader{problems: problems{name: name}, s: &Scenario{Name: name, Lasts: 3 * time.Second, Source: slices.Clone(text)}}
	r.s.Cluster = Cluster{Agents: 3, DBServers: 3, Coordinators: 2, LatencyLeast: 100 * time.Microsecond, LatencyMost: time.Millisecond, Line: 1}
	root, err := r.document(text)
	if err != nil {
		return nil, err
	}
	r.top(root)
	if len(r.all) == 0 {
		(&checker{&r.problems, r.s, r.operations}).check()
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return r.s, nil
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?(.*)`)

// document is the mapping that the YAML has.
func (r *reader) document(text []byte) (*yaml.Node, error) {
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	err := d.Decode(&doc)
	if errors.Is(err, io.EOF) {
		r.add(1, "the scenario is empty")
		return nil, r.err()
	}
	if err != nil {
		parts := yamlLine.FindStringSubmatch(err.Error())
		line := 1
		if parts != nil && parts[1] != "" {
			line, _ = strconv.Atoi(parts[1]) // the expression lets digits alone through
		}
		if strings.Contains(err.Error(), "did not find expected") {
			line++ // the library counts these from 0
		}
		what := err.Error()
		if parts != nil {
			what = parts[2]
		}
		r.add(line, "no YAML: %s", what)
		return nil, r.err()
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		r.add(more.Line, "a file has one scenario: `---` begins another")
		return nil, r.err()
	}
	return doc.Content[0], nil
}

func (r *reader) top(root *yaml.Node) {
	var do, expect *yaml.Node
	var seen []string
	r.mapping(root, "the scenario", func(key, v *yaml.Node) {
		seen = append(seen, key.Value)
		switch key.Value {
		case "do":
			do = v
		case "expect":
			expect = v
		default:
			r.section(key, v)
		}
	})
	if !slices.Contains(seen, "do") && len(r.all) == 0 {
		r.add(1, "the scenario does nothing: want `do`, a list of steps")
	}
	if do != nil { // before expect, which names operations
		r.do(do)
	}
	if expect != nil {
		r.list(expect, r.expectation)
	}
}

func (r *reader) section(key, v *yaml.Node) {
	switch key.Value {
	case "about":
		r.field(v, Field{Name: "about", value: textValue, set: into(&r.s.About)})
	case "lasts":
		r.field(v, Field{Name: "lasts", value: timeValue, set: into(&r.s.Lasts)})
	case "worlds":
		r.list(v, r.world)
	case "cluster":
		r.s.Cluster.Line = key.Line
		r.fieldsOf(v, "cluster", clusterFields(&r.s.Cluster))
	case "load":
		r.list(v, r.load)
	case "power":
		r.s.Power = &Power{Line: key.Line}
		r.fieldsOf(v, "power", powerFields(r.s.Power))
	default:
		var names []string
		for _, f := range topFields {
			names = append(names, f.name)
		}
		r.add(key.Line, "a scenario has no %s: want %s%s", quote(key.Value), strings.Join(names, ", "), didYouMean(key.Value, names))
	}
}

func (r *reader) world(v *yaml.Node) {
	if !slices.Contains(WorldNames, v.Value) {
		r.add(v.Line, "worlds: want %s, not %s%s", strings.Join(WorldNames, ", "), kindName(v), didYouMean(v.Value, WorldNames))
		return
	}
	r.s.Worlds = append(r.s.Worlds, v.Value)
}

func (r *reader) load(v *yaml.Node) {
	if v.Kind == yaml.ScalarNode {
		r.workload(v, nil)
		return
	}
	r.mapping(v, "a workload", func(key, settings *yaml.Node) { r.workload(key, settings) })
}

func (r *reader) workload(key, settings *yaml.Node) {
	l := Load{Line: key.Line}
	l.Spec.Name = key.Value
	names := workloadNames()
	if !slices.Contains(names, key.Value) {
		r.add(key.Line, "there is no workload %s: want %s%s", kindName(key), strings.Join(names, ", "), didYouMean(key.Value, names))
		return
	}
	if settings != nil && settings.Tag != "!!null" {
		r.fieldsOf(settings, key.Value, loadFields(&l.Spec))
	}
	w, err := workload.New(l.Spec, history.New())
	if err != nil {
		r.add(key.Line, "%v", err)
		return
	}
	l.replicas = w.Spec().Replication
	r.s.Load = append(r.s.Load, l)
}
