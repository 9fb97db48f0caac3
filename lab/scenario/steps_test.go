package scenario_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/lab/scenario"
)

// The steps are those of package event: none is missing, and none is invented.
func TestStepsAreThoseOfEvents(t *testing.T) {
	var known []string
	for _, operation := range []string{"create", "restore", "delete", "verify", "upload", "download", ""} {
		known = append(known, scenario.Steps(operation)...)
	}
	files, err := filepath.Glob("../../event/*.go")
	require.NoError(t, err)
	var have []string
	for _, f := range files {
		file, err := parser.ParseFile(token.NewFileSet(), f, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if name, ok := spec.Type.(*ast.Ident); ok && name.Name == "Name" && len(spec.Values) == 1 {
				text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				require.NoError(t, err)
				have = append(have, text)
			}
			return true
		})
	}
	require.NotEmpty(t, have)
	for _, step := range have {
		require.Contains(t, known, step)
	}
	for _, step := range known {
		require.Contains(t, have, step)
	}
}
