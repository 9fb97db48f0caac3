package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// commands are all commands of the program, as they are typed.
func commands() []string {
	var all []string
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		all = append(all, strings.TrimSpace(strings.TrimPrefix(cmd.CommandPath(), "stasis")))
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				walk(sub)
			}
		}
	}
	walk(rootCommand())
	return all
}

// The help of every command is what a stranger reads first: testdata/help has all of it. After
// a change: go test ./cmd/stasis -run TestHelp -rewrite, and read the difference.
func TestHelp(t *testing.T) {
	shown := map[string]bool{}
	datadriven.RunTest(t, "testdata/help", func(t *testing.T, d *datadriven.TestData) string {
		require.Equal(t, "help", d.Cmd, d.Pos)
		var words []string
		for _, arg := range d.CmdArgs {
			words = append(words, arg.String())
		}
		shown[strings.Join(words, " ")] = true
		status, out, errOut := stasis(append(words, "--help")...)
		require.Zero(t, status, errOut)
		return out
	})
	for _, command := range commands() {
		require.True(t, shown[command], "testdata/help lacks a line %q", "help "+command)
		delete(shown, command)
	}
	require.Empty(t, shown, "testdata/help has commands that are not there")
}

// variable are the parts of an output that differ from run to run.
var variable = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \[\d+\]`)

// What is wrong with a command line is said before anything is asked or started, in words
// that say what to do: testdata/errors. $DIR stands for a directory.
func TestErrors(t *testing.T) {
	dir := t.TempDir()
	datadriven.RunTest(t, "testdata/errors", func(t *testing.T, d *datadriven.TestData) string {
		require.Equal(t, "run", d.Cmd, d.Pos)
		words := strings.Fields(strings.ReplaceAll(d.Input, "$DIR", dir))
		status, out, errOut := stasis(words...)
		require.Empty(t, filesIn(t, dir), "%s: something was started", d.Pos)
		text := strings.ReplaceAll(out+errOut, dir, "$DIR")
		return fmt.Sprintf("%sexit status %d\n", variable.ReplaceAllString(text, "TIME [PID]"), status)
	})
}

func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	return files
}
