package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The files that the paths of DESIGN.md pass exist, and a path does not return to
// a folder that it has left.
func TestPathsOfDesign(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "DESIGN.md"))
	require.NoError(t, err)
	_, chapter, found := strings.Cut(string(raw), "## 13. Four paths")
	require.True(t, found)
	chapter, _, found = strings.Cut(chapter, "\n## ")
	require.True(t, found)
	files := regexp.MustCompile("`([a-z/]+)/(\\{[a-z_, ]+\\}|[a-z_]+)\\.go`")
	paths := 0
	for _, paragraph := range strings.Split(chapter, "\n\n") {
		if !strings.HasPrefix(paragraph, "**") {
			continue
		}
		paths++
		steps, _, _ := strings.Cut(strings.Join(strings.Fields(paragraph), " "), "Before the answer") // what follows waits there
		steps, _, _ = strings.Cut(steps, "Its operations")                                            // which go another path
		var passed []string
		for _, m := range files.FindAllStringSubmatch(steps, -1) {
			folder := m[1]
			for _, name := range strings.FieldsFunc(m[2], func(r rune) bool { return strings.ContainsRune("{}, ", r) }) {
				require.FileExists(t, filepath.Join("..", folder, name+".go"))
			}
			if len(passed) > 0 && passed[len(passed)-1] == folder {
				continue
			}
			require.NotContains(t, passed, folder, "the path returns")
			passed = append(passed, folder)
		}
		require.Greater(t, len(passed), 3, paragraph)
	}
	require.Equal(t, 4, paths)
}

// The tests, fuzz targets and benchmarks that the pages of the design name exist.
func TestNamesInDesigns(t *testing.T) {
	exist := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	named := regexp.MustCompile(`\b((?:Test|Fuzz|Benchmark)[A-Z]\w+)`)
	names := map[string]string{}
	require.NoError(t, filepath.WalkDir("..", func(path string, _ os.DirEntry, err error) error {
		page := strings.HasSuffix(path, "DESIGN.md")
		if err != nil || !page && !strings.HasSuffix(path, "_test.go") {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range declared.FindAllStringSubmatch(string(raw), -1) {
			exist[m[1]] = true
		}
		if page {
			for _, m := range named.FindAllStringSubmatch(string(raw), -1) {
				names[m[1]] = path
			}
		}
		return nil
	}))
	require.Greater(t, len(names), 50)
	for name, page := range names {
		if !exist[name] {
			t.Errorf("%s names %s, which does not exist", page, name)
		}
	}
}
