package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/types"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// folderFigure says how far the files of a package are from an order.
type folderFigure struct {
	name            string
	arrows, against int
}

// orderOf draws an arrow from a file to each other file of its package that defines what
// it uses, and counts the arrows that point up in the best order of the files that the
// greedy heuristic of Eades, Lin and Smyth finds ("A fast and effective heuristic for the
// feedback arc set problem", 1993). 0 means that each file uses only files below it.
func orderOf(p *packages.Package) folderFigure {
	uses := arrows(p)
	f := folderFigure{name: strings.TrimPrefix(p.PkgPath, moduleOf(p.PkgPath)+"/")}
	place := map[string]int{}
	for i, file := range order(uses) {
		place[file] = i
	}
	for from, to := range uses {
		f.arrows += len(to)
		for file := range to {
			if place[file] < place[from] {
				f.against++
			}
		}
	}
	return f
}

// graph is by file: the files that it uses.
type graph map[string]map[string]bool

func arrows(p *packages.Package) graph {
	uses := graph{}
	for i, file := range p.Syntax {
		from := filepath.Base(p.GoFiles[i])
		uses[from] = map[string]bool{}
		ast.Inspect(file, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			object := p.TypesInfo.Uses[id]
			if object == nil || object.Pkg() != p.Types || !topLevel(object) {
				return true
			}
			if to := filepath.Base(p.Fset.Position(object.Pos()).Filename); to != from {
				uses[from][to] = true
			}
			return true
		})
	}
	return uses
}

// topLevel says that an object is declared outside functions: also methods and fields,
// which are declared where they stand, and not where their type does.
func topLevel(object types.Object) bool {
	if v, ok := object.(*types.Var); ok && v.IsField() {
		return true
	}
	if f, ok := object.(*types.Func); ok {
		return f.Pkg() != nil
	}
	return object.Parent() == object.Pkg().Scope()
}

// order sorts the files so that users come before what they use, as far as that goes.
func order(uses graph) []string {
	left := map[string]bool{}
	for file := range uses {
		left[file] = true
	}
	var first, last []string
	take := func(file string) { delete(left, file) }
	for len(left) > 0 {
		files := sortedFiles(left)
		if i := slices.IndexFunc(files, func(f string) bool { return out(uses, left, f) == 0 }); i >= 0 {
			last = append(last, files[i])
			take(files[i])
			continue
		}
		if i := slices.IndexFunc(files, func(f string) bool { return in(uses, left, f) == 0 }); i >= 0 {
			first = append(first, files[i])
			take(files[i])
			continue
		}
		best := slices.MaxFunc(files, func(a, b string) int {
			return cmp.Compare(out(uses, left, a)-in(uses, left, a), out(uses, left, b)-in(uses, left, b))
		})
		first = append(first, best)
		take(best)
	}
	slices.Reverse(last)
	return append(first, last...)
}

func sortedFiles(set map[string]bool) []string {
	var files []string
	for f := range set {
		files = append(files, f)
	}
	slices.Sort(files)
	return files
}

func out(uses graph, left map[string]bool, file string) (n int) {
	for to := range uses[file] {
		if left[to] {
			n++
		}
	}
	return n
}

func in(uses graph, left map[string]bool, file string) (n int) {
	for from := range left {
		if uses[from][file] {
			n++
		}
	}
	return n
}

func printFolders(w io.Writer, all []folderFigure) {
	slices.SortFunc(all, func(a, b folderFigure) int {
		return cmp.Or(cmp.Compare(b.against, a.against), strings.Compare(a.name, b.name))
	})
	total := 0
	for _, f := range all {
		total += f.against
	}
	fmt.Fprintf(w, "arrows upward between the files of a folder: %d\n", total)
	for _, f := range all {
		fmt.Fprintf(w, "  %4d of %3d %s\n", f.against, f.arrows, f.name)
	}
}
