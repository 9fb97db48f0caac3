package main

import (
	"fmt"
	"go/ast"
	"go/types"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// starters are the functions that start a bubble and run their last argument in it.
var starters = map[string]bool{
	"testing/synctest.Test":         true,
	"stasis/internal/bubbles.Test":  true,
	"stasis/internal/bubbles.Rapid": true,
	"pgregory.net/rapid.SyncTest":   true,
	"house/bubbles.Test":            true, // of the test
}

// realSleeps finds calls of time.Sleep that a test may reach without being in a bubble: a
// sleep on the real clock makes a test slow, or wrong on a machine that is slower. It
// follows references to functions of the package from its tests, and stops where a function
// is given to what starts a bubble. A function literal counts as called where it stands;
// one that is stored, in a test that starts a bubble, counts as called in the bubble.
func realSleeps(p *packages.Package) []string {
	s := sleepSearch{p: p, bodies: map[string]*ast.FuncDecl{}, bubbling: map[string]bool{}, local: map[types.Object]bool{}, seen: map[string]bool{}}
	for _, file := range p.Syntax {
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				s.bodies[s.nameOf(p.TypesInfo.Defs[f.Name])] = f
			}
		}
	}
	s.findBubbling()
	s.findLocal()
	for _, name := range slices.Sorted(maps.Keys(s.bodies)) {
		f := s.bodies[name]
		file := p.Fset.Position(f.Pos()).Filename
		if strings.HasSuffix(file, "_test.go") && f.Recv == nil && isRoot(f.Name.Name) {
			s.root = f.Name.Name
			s.visit(name)
		}
	}
	return s.found
}

func isRoot(name string) bool {
	for _, prefix := range []string{"Test", "Benchmark", "Fuzz", "Example", "init"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

type sleepSearch struct {
	p        *packages.Package
	bodies   map[string]*ast.FuncDecl // by full name
	bubbling map[string]bool          // functions that run a function they are given in a bubble
	local    map[types.Object]bool    // variables that hold such a function
	seen     map[string]bool
	root     string // the test that is followed
	found    []string
}

func (s *sleepSearch) nameOf(object types.Object) string {
	if f, ok := object.(*types.Func); ok {
		return f.Origin().FullName()
	}
	return ""
}

// callee is the full name of the function that is called, or "".
func (s *sleepSearch) callee(call *ast.CallExpr) string {
	switch f := ast.Unparen(call.Fun).(type) {
	case *ast.Ident:
		return s.nameOf(s.p.TypesInfo.Uses[f])
	case *ast.SelectorExpr:
		return s.nameOf(s.p.TypesInfo.Uses[f.Sel])
	}
	return ""
}

func (s *sleepSearch) starts(call *ast.CallExpr) bool {
	if id, ok := call.Fun.(*ast.Ident); ok && s.local[s.p.TypesInfo.Uses[id]] {
		return true
	}
	name := s.callee(call)
	return starters[name] || s.bubbling[name]
}

// findLocal finds the variables that hold a function literal in which a bubble is started.
func (s *sleepSearch) findLocal() {
	for _, f := range s.bodies {
		ast.Inspect(f.Body, func(n ast.Node) bool {
			a, ok := n.(*ast.AssignStmt)
			if !ok || len(a.Lhs) != len(a.Rhs) {
				return true
			}
			for i, value := range a.Rhs {
				id, named := a.Lhs[i].(*ast.Ident)
				if literal, ok := value.(*ast.FuncLit); ok && named && s.startsIn(literal.Body) {
					s.local[s.p.TypesInfo.Defs[id]] = true
				}
			}
			return true
		})
	}
	delete(s.local, nil)
}

// findBubbling finds the functions that give a parameter of theirs, or a literal that
// uses it, to what starts a bubble; then those that call these in the same way.
func (s *sleepSearch) findBubbling() {
	for grew := true; grew; {
		grew = false
		for name, f := range s.bodies {
			if !s.bubbling[name] && s.handsOver(f) {
				s.bubbling[name], grew = true, true
			}
		}
	}
}

func (s *sleepSearch) handsOver(f *ast.FuncDecl) (yes bool) {
	params := map[types.Object]bool{}
	for _, field := range f.Type.Params.List {
		for _, name := range field.Names {
			object := s.p.TypesInfo.Defs[name]
			if object == nil {
				continue
			}
			if _, ok := object.Type().Underlying().(*types.Signature); ok {
				params[object] = true
			}
		}
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || !s.starts(call) {
			return true
		}
		for _, argument := range call.Args {
			ast.Inspect(argument, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok && params[s.p.TypesInfo.Uses[id]] {
					yes = true
				}
				return true
			})
		}
		return true
	})
	return yes
}

// visit looks through a function that is called outside bubbles.
func (s *sleepSearch) visit(name string) {
	f := s.bodies[name]
	if f == nil || s.seen[name] {
		return
	}
	s.seen[name] = true
	bubbles := s.startsIn(f.Body)
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.AssignStmt:
			return !bubbles || !isLiteral(x.Rhs)
		case *ast.KeyValueExpr:
			return !bubbles || !isLiteral([]ast.Expr{x.Value})
		case *ast.CompositeLit:
			return !bubbles || !isLiteral(x.Elts)
		case *ast.CallExpr:
			if s.starts(x) {
				return false
			}
			if s.callee(x) == "time.Sleep" {
				at := s.p.Fset.Position(x.Pos())
				s.found = append(s.found, fmt.Sprintf("%s:%d: %s sleeps on the real clock: wait for what it waits for, or use a bubble", place(at.Filename), at.Line, s.root))
			}
		case *ast.Ident:
			s.visit(s.nameOf(s.p.TypesInfo.Uses[x]))
		}
		return true
	})
}

func (s *sleepSearch) startsIn(body *ast.BlockStmt) (yes bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		yes = yes || ok && s.starts(call)
		return !yes
	})
	return yes
}

func isLiteral(all []ast.Expr) bool {
	return slices.ContainsFunc(all, func(e ast.Expr) bool {
		_, ok := e.(*ast.FuncLit)
		return ok
	})
}

// place is a path for people: below the working directory.
func place(path string) string {
	if wd, err := filepath.Abs("."); err == nil {
		if below, err := filepath.Rel(wd, path); err == nil {
			return below
		}
	}
	return path
}
