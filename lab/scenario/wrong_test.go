package scenario_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/lab/scenario"
	"stasis/lab/workload"
)

var update = flag.Bool("update", false, "write what is expected")

// Each wrong scenario has its error beside it: with the line, what would be right, and what was meant.
// go test ./lab/scenario -update writes them; read the difference.
func TestWrongScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	require.NoError(t, err)
	require.Greater(t, len(files), 30)
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".yaml")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(f)
			require.NoError(t, err)
			_, err = scenario.Parse(name, text)
			require.Error(t, err)
			var all scenario.Errors
			require.ErrorAs(t, err, &all)
			golden(t, strings.TrimSuffix(f, ".yaml")+".error", strings.ReplaceAll(err.Error(), workloads(), "WORKLOADS")+"\n")
		})
	}
}

// workloads are listed in errors; there may be more of them.
func workloads() string {
	var names []string
	for _, w := range workload.List() {
		names = append(names, w.Name)
	}
	return strings.Join(names, ", ")
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "if this is as it should be: go test ./lab/scenario -update")
}
