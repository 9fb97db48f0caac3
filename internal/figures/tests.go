package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/tools/go/packages"
)

// testFigures are about the files of tests.
type testFigures struct {
	lines, tests, fuzz, examples, sleeps int
}

func testsOf(all []*packages.Package) (t testFigures, err error) {
	for _, p := range all {
		files, err := filepath.Glob(filepath.Join(filepath.Dir(p.GoFiles[0]), "*_test.go"))
		if err != nil {
			return t, fmt.Errorf("look for tests of %s: %w", p.PkgPath, err)
		}
		for _, path := range files {
			if err := t.add(path); err != nil {
				return t, err
			}
		}
	}
	return t, nil
}

func (t *testFigures) add(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read test: %w", err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, raw, parser.SkipObjectResolution)
	if err != nil {
		return fmt.Errorf("read test: %w", err)
	}
	t.lines += bytes.Count(raw, []byte("\n"))
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv != nil {
			continue
		}
		switch name := f.Name.Name; {
		case strings.HasPrefix(name, "Test"):
			t.tests++
		case strings.HasPrefix(name, "Fuzz"):
			t.fuzz++
		case strings.HasPrefix(name, "Example"):
			t.examples++
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Sleep" {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" {
				t.sleeps++
			}
		}
		return true
	})
	return nil
}

func (t testFigures) print(w io.Writer, code int) {
	fmt.Fprintf(w, "test functions %d, fuzz targets %d, examples %d, sleeps in tests (virtual time included) %d, test lines a code line %.2f\n",
		t.tests, t.fuzz, t.examples, t.sleeps, float64(t.lines)/float64(max(1, code)))
}
