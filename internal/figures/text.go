package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// sized is a named thing and its size.
type sized struct {
	name string
	size int
}

// text is what can be measured without types.
type text struct {
	code, comments, blank int
	files, functions      []sized
	wide                  []sized // functions with too many parameters
}

func (t *text) add(p *packages.Package) error {
	for i, file := range p.Syntax {
		path := p.GoFiles[i]
		raw, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read source: %w", err)
		}
		t.files = append(t.files, sized{short(p, path), bytes.Count(raw, []byte("\n"))})
		t.lines(raw, p.Fset, file)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				t.function(p, f)
			}
		}
	}
	return nil
}

// lines counts a line with code and a comment as code.
func (t *text) lines(raw []byte, fset *token.FileSet, file *ast.File) {
	comment := map[int]bool{}
	for _, group := range file.Comments {
		for n := fset.Position(group.Pos()).Line; n <= fset.Position(group.End()).Line; n++ {
			comment[n] = true
		}
	}
	for i, line := range bytes.Split(bytes.TrimSuffix(raw, []byte("\n")), []byte("\n")) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0:
			t.blank++
		case comment[i+1] && (bytes.HasPrefix(line, []byte("//")) || bytes.HasPrefix(line, []byte("/*"))):
			t.comments++
		default:
			t.code++
		}
	}
}

func (t *text) function(p *packages.Package, f *ast.FuncDecl) {
	name := filepath.Base(p.PkgPath) + "." + f.Name.Name
	if f.Recv != nil && len(f.Recv.List) > 0 {
		name = filepath.Base(p.PkgPath) + "." + receiver(f.Recv.List[0].Type) + "." + f.Name.Name
	}
	lines := p.Fset.Position(f.End()).Line - p.Fset.Position(f.Pos()).Line + 1
	t.functions = append(t.functions, sized{name, lines})
	n := 0
	for _, field := range f.Type.Params.List {
		n += max(1, len(field.Names))
	}
	if n > maxParameters {
		t.wide = append(t.wide, sized{name, n})
	}
}

func receiver(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.StarExpr:
		return receiver(x.X)
	case *ast.IndexExpr:
		return receiver(x.X)
	case *ast.IndexListExpr:
		return receiver(x.X)
	case *ast.Ident:
		return x.Name
	}
	return "?"
}

// short is a file's name below the module.
func short(p *packages.Package, path string) string {
	_, below, _ := strings.Cut(p.PkgPath, "/")
	return filepath.Join(below, filepath.Base(path))
}

func (t *text) print(w io.Writer, nPackages int) {
	over := func(all []sized, limit int) []sized {
		return slices.DeleteFunc(descending(all), func(s sized) bool { return s.size <= limit })
	}
	functions := descending(t.functions)
	quantile := func(q float64) int { return functions[int(float64(len(functions)-1)*(1-q))].size }
	fmt.Fprintf(w, "packages %d, files %d, lines of code %d, comment lines a code line %.2f\n",
		nPackages, len(t.files), t.code, float64(t.comments)/float64(max(1, t.code)))
	if len(functions) > 0 {
		fmt.Fprintf(w, "functions %d, lines: median %d, p90 %d, longest %d (%s)\n",
			len(functions), quantile(0.5), quantile(0.9), functions[0].size, functions[0].name)
	}
	list(w, fmt.Sprintf("functions over %d lines", maxFunctionLines), over(t.functions, maxFunctionLines))
	list(w, fmt.Sprintf("functions with more than %d parameters", maxParameters), descending(t.wide))
	list(w, fmt.Sprintf("files over %d lines", maxFileLines), over(t.files, maxFileLines))
}

// descending is a sorted copy: the largest first, then by name.
func descending(all []sized) []sized {
	return slices.SortedFunc(slices.Values(all), func(a, b sized) int {
		return cmp.Or(cmp.Compare(b.size, a.size), strings.Compare(a.name, b.name))
	})
}

func list(w io.Writer, title string, all []sized) {
	fmt.Fprintf(w, "%s: %d\n", title, len(all))
	for _, s := range all {
		fmt.Fprintf(w, "  %4d %s\n", s.size, s.name)
	}
}
