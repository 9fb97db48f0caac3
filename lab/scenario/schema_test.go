package scenario_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"stasis/lab/scenario"
)

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := scenario.Schema()
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("scenario.json", doc))
	s, err := c.Compile("scenario.json")
	require.NoError(t, err)
	return s
}

// The file for editors and the text for people are what the tables say. -update writes them.
func TestShippedFiles(t *testing.T) {
	text, err := scenario.Schema()
	require.NoError(t, err)
	golden(t, "scenario.schema.json", string(text)+"\n")
	golden(t, "LANGUAGE.md", scenario.Reference())
}

// The schema accepts every scenario that is shipped, and what the parser accepts of each form.
func TestSchemaAccepts(t *testing.T) {
	s := compiled(t)
	files, err := filepath.Glob("../scenarios/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		require.NoError(t, s.Validate(value(t, text)), f)
	}
	require.NoError(t, s.Validate(value(t, []byte(colliding))))
	for _, f := range scenario.Actions() {
		require.NoError(t, s.Validate(value(t, []byte("do: [{at 1s: '"+quoted(f.Example)+"'}]"))), f.Text)
	}
	for _, f := range scenario.Expectations() {
		require.NoError(t, s.Validate(value(t, []byte("{do: [], expect: ['"+quoted(f.Example)+"']}"))), f.Text)
	}
	for _, f := range scenario.Whens() {
		require.NoError(t, s.Validate(value(t, []byte("do: [{'"+quoted(f.Example)+"': heal}]"))), f.Text)
	}
}

// The schema refuses what an editor can see to be wrong.
func TestSchemaRefuses(t *testing.T) {
	s := compiled(t)
	for _, name := range []string{
		"unknown-field", "unknown-cluster-field", "no-number", "unknown-workload", "unknown-load-field", "unknown-action", "unknown-time",
		"missing-arrow", "step-without-quotes", "unknown-expectation", "expectation-without-time", "nothing-to-do", "unknown-world", "power-without-number",
	} {
		text, err := os.ReadFile("testdata/wrong/" + name + ".yaml")
		require.NoError(t, err)
		require.Error(t, s.Validate(value(t, text)), name)
	}
}

func value(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	require.NoError(t, yaml.Unmarshal(text, &v))
	return v
}
