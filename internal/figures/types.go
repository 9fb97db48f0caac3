package main

import (
	"fmt"
	"go/types"
	"io"
	"path/filepath"
	"strings"

	"golang.org/x/tools/go/packages"
)

// typeFigure is a type with the fields and methods that can be reached through it,
// embedding included.
type typeFigure struct {
	name            string
	fields, methods int
}

func typesOf(p *packages.Package) []typeFigure {
	var out []typeFigure
	scope := p.Types.Scope()
	for _, name := range scope.Names() {
		object, ok := scope.Lookup(name).(*types.TypeName)
		if !ok || object.IsAlias() {
			continue
		}
		f := typeFigure{name: filepath.Base(p.PkgPath) + "." + name}
		if s, ok := object.Type().Underlying().(*types.Struct); ok {
			f.fields = reachable(s, moduleOf(p.PkgPath), map[*types.Struct]bool{})
		}
		if !types.IsInterface(object.Type()) {
			f.methods = types.NewMethodSet(types.NewPointer(object.Type())).Len()
		} else {
			f.methods = types.NewMethodSet(object.Type()).Len()
		}
		out = append(out, f)
	}
	return out
}

// reachable counts the fields of a struct. The fields of an embedded struct of this module
// take the place of the embedded one; a library's own counts as one field, since what is in
// it is not ours to arrange.
func reachable(s *types.Struct, module string, seen map[*types.Struct]bool) int {
	if seen[s] {
		return 0
	}
	seen[s] = true
	n := 0
	for i := range s.NumFields() {
		field := s.Field(i)
		if inner, ours := embeddedStruct(field, module); ours {
			n += reachable(inner, module, seen)
		} else {
			n++
		}
	}
	return n
}

func embeddedStruct(field *types.Var, module string) (inner *types.Struct, ours bool) {
	if !field.Embedded() {
		return nil, false
	}
	t := field.Type()
	if pointer, ok := t.Underlying().(*types.Pointer); ok {
		t = pointer.Elem()
	}
	named, ok := types.Unalias(t).(*types.Named)
	if !ok || named.Obj().Pkg() == nil || moduleOf(named.Obj().Pkg().Path()) != module {
		return nil, false
	}
	inner, ok = named.Underlying().(*types.Struct)
	return inner, ok
}

// moduleOf is the first element of a package's path: this module's name has only one.
func moduleOf(path string) string {
	module, _, _ := strings.Cut(path, "/")
	return module
}

func printTypes(w io.Writer, all []typeFigure) {
	var fields, methods []sized
	for _, t := range all {
		if t.fields > maxFields {
			fields = append(fields, sized{t.name, t.fields})
		}
		if t.methods > maxMethods {
			methods = append(methods, sized{t.name, t.methods})
		}
	}
	list(w, fmt.Sprintf("structs that reach more than %d fields", maxFields), descending(fields))
	list(w, fmt.Sprintf("types with more than %d methods", maxMethods), descending(methods))
}
