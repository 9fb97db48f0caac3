package main

import (
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
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, dir string, patterns []string) error {
	all, err := load(dir, patterns)
	if err != nil {
		return err
	}
	var t text
	var types []typeFigure
	var folders []folderFigure
	for _, p := range all {
		if err := t.add(p); err != nil {
			return err
		}
		types = append(types, typesOf(p)...)
		if f := orderOf(p); f.against > 0 {
			folders = append(folders, f)
		}
	}
	tests, err := testsOf(all)
	if err != nil {
		return err
	}
	t.print(w, len(all))
	tests.print(w, t.code)
	printTypes(w, types)
	printFolders(w, folders)
	return nil
}

// load type-checks the packages that the patterns name in dir. One that does not build is an error: its figures would
// be wrong.
func load(dir string, patterns []string) ([]*packages.Package, error) {
	const need = packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedImports
	all, err := packages.Load(&packages.Config{Mode: need, Dir: dir}, patterns...)
	if err != nil {
		return nil, fmt.Errorf("load packages: %w", err)
	}
	for _, p := range all {
		if len(p.Errors) > 0 {
			return nil, fmt.Errorf("load %s: %w", p.PkgPath, p.Errors[0])
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no packages match %v", patterns)
	}
	return slices.DeleteFunc(all, func(p *packages.Package) bool { return len(p.GoFiles) == 0 }), nil
}
