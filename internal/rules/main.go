// Command rules checks what no linter knows: the rules of CONTRIBUTING that can be read off
// the code. It prints every breach with its place, and fails if there is one. `make lint`
// runs it on the whole module:
//
//	rules [packages]
//
// The rules:
//
//   - A test sleeps only in a bubble, where time is virtual (sleep.go).
//   - A server reads the wall clock through internal/wall (clock.go).
//   - What a package exports is used by another (exports.go). The rule needs the whole module:
//     with other patterns than ./... a use may be missing.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/tools/go/packages"
)

func main() {
	patterns := os.Args[1:]
	if len(patterns) == 0 {
		patterns = []string{"./..."}
	}
	if err := run(os.Stdout, ".", patterns); err != nil {
		fmt.Fprintln(os.Stderr, "rules:", err)
		os.Exit(1)
	}
}

// errBroken is returned when a rule is broken; which, and where, has been printed.
var errBroken = errors.New("rules of CONTRIBUTING are broken")

func run(w io.Writer, dir string, patterns []string) error {
	all, err := load(dir, patterns)
	if err != nil {
		return err
	}
	var breaches []string
	for _, p := range all {
		breaches = append(breaches, realSleeps(p)...)
		breaches = append(breaches, wallClockReads(p)...)
	}
	breaches = append(breaches, idleExports(all)...)
	slices.Sort(breaches)
	breaches = slices.Compact(breaches) // a file is in the package and in its test variant
	for _, b := range breaches {
		fmt.Fprintln(w, b)
	}
	if len(breaches) > 0 {
		return errBroken
	}
	return nil
}

// load type-checks the packages with their tests. One that does not build is an error.
func load(dir string, patterns []string) ([]*packages.Package, error) {
	const need = packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedImports
	all, err := packages.Load(&packages.Config{
		Mode: need, Dir: dir, Tests: true, BuildFlags: []string{"-tags", "failpoints"},
	}, patterns...)
	if err != nil {
		return nil, fmt.Errorf("load packages: %w", err)
	}
	for _, p := range all {
		if len(p.Errors) > 0 {
			return nil, fmt.Errorf("load %s: %w", p.ID, p.Errors[0])
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no packages match %v", patterns)
	}
	return all, nil
}
