package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// forOutsiders are the packages whose exports are for other modules.
var forOutsiders = []string{"stasis/client", "stasis/event", "stasis/fault", "stasis/lab", "stasis/minicluster", "house/public"}

// lookedFor are the methods that the standard library looks for with interfaces which it does
// not export.
var lookedFor = []string{
	"As", "Is", "Unwrap", // package errors
	"FlushError", // http.ResponseController
}

// idleExports finds what a package exports and no other package uses: functions, types,
// variables, constants and methods. A package's own tests count as another package if they
// are one. The packages for other modules are exempt. These count as used:
//
//   - a type that another exported declaration of the package names: its users get it
//     without naming it
//   - an error variable, and all of a block of constants of which one is used: a caller may
//     need the others
//   - a method whose name is that of a method of an interface, or one of lookedFor: it may be
//     called through the interface
func idleExports(all []*packages.Package) []string {
	s := exportSearch{uses: map[string]bool{}, interfaces: map[string]bool{}}
	for _, method := range lookedFor {
		s.interfaces[method] = true
	}
	for _, p := range all {
		s.noteUses(p)
		s.noteInterfaces(p)
	}
	var found []string
	for _, p := range all {
		if p.ID != p.PkgPath || p.Name == "main" || within(p.PkgPath, forOutsiders) {
			continue // a variant with tests, or nothing that can be imported
		}
		found = append(found, s.idleIn(p)...)
	}
	return found
}

func within(path string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return path == root || strings.HasPrefix(path, root+"/") })
}

type exportSearch struct {
	uses       map[string]bool // objects that another package uses
	interfaces map[string]bool // names of methods of interfaces
}

func (s *exportSearch) noteUses(p *packages.Package) {
	for _, object := range p.TypesInfo.Uses {
		if object.Pkg() != nil && object.Pkg().Path() != p.PkgPath {
			s.uses[keyOf(object)] = true
		}
	}
}

// keyOf names an object over packages, which are loaded more than once.
func keyOf(object types.Object) string {
	if f, ok := object.(*types.Func); ok {
		return f.Origin().FullName()
	}
	return object.Pkg().Path() + "." + object.Name()
}

// noteInterfaces notes the methods of the interfaces that the package writes down, and of
// those that the packages have which it imports.
func (s *exportSearch) noteInterfaces(p *packages.Package) {
	for _, file := range p.Syntax {
		ast.Inspect(file, func(n ast.Node) bool {
			if e, ok := n.(*ast.InterfaceType); ok {
				if t, ok := p.TypesInfo.TypeOf(e).(*types.Interface); ok {
					s.noteMethods(t)
				}
			}
			return true
		})
	}
	for _, imported := range p.Types.Imports() {
		for _, name := range imported.Scope().Names() {
			if t, ok := imported.Scope().Lookup(name).Type().Underlying().(*types.Interface); ok {
				s.noteMethods(t)
			}
		}
	}
}

func (s *exportSearch) noteMethods(t *types.Interface) {
	for method := range t.Methods() {
		s.interfaces[method.Name()] = true
	}
}

func (s *exportSearch) idleIn(p *packages.Package) []string {
	named, blocks := namedInExports(p), s.usedBlocks(p)
	var found []string
	report := func(object types.Object, name string) {
		at := p.Fset.Position(object.Pos())
		found = append(found, fmt.Sprintf("%s:%d: %s is exported, and no other package uses it", place(at.Filename), at.Line, name))
	}
	for _, name := range p.Types.Scope().Names() {
		object := p.Types.Scope().Lookup(name)
		if object.Exported() && !s.uses[keyOf(object)] && !named[object] && !blocks[object] && !isSentinel(object) {
			report(object, name)
		}
		t, ok := object.Type().(*types.Named)
		if _, isType := object.(*types.TypeName); !ok || !isType {
			continue
		}
		for method := range t.Methods() {
			if method.Exported() && !s.uses[keyOf(method)] && !s.interfaces[method.Name()] {
				report(method, name+"."+method.Name())
			}
		}
	}
	return found
}

// isSentinel says that an object is a variable that is an error.
func isSentinel(object types.Object) bool {
	v, ok := object.(*types.Var)
	return ok && types.Implements(v.Type(), types.Universe.Lookup("error").Type().Underlying().(*types.Interface))
}

// usedBlocks are the constants of blocks of which another package uses one.
func (s *exportSearch) usedBlocks(p *packages.Package) map[types.Object]bool {
	used := map[types.Object]bool{}
	for _, file := range p.Syntax {
		for _, d := range file.Decls {
			block, ok := d.(*ast.GenDecl)
			if !ok || block.Tok != token.CONST || !block.Lparen.IsValid() {
				continue
			}
			var constants []types.Object
			for _, spec := range block.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					constants = append(constants, p.TypesInfo.Defs[name])
				}
			}
			if slices.ContainsFunc(constants, func(o types.Object) bool { return o != nil && o.Pkg() != nil && s.uses[keyOf(o)] }) {
				for _, o := range constants {
					used[o] = true
				}
			}
		}
	}
	return used
}

// namedInExports are the objects that the package's exported declarations name in their
// signatures and fields.
func namedInExports(p *packages.Package) map[types.Object]bool {
	named := map[types.Object]bool{}
	note := func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.BlockStmt:
				return false
			case *ast.Ident:
				if object := p.TypesInfo.Uses[x]; object != nil && object.Pkg() == p.Types {
					named[object] = true
				}
			}
			return true
		})
	}
	for _, file := range p.Syntax {
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() {
					note(d.Type)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if exportedSpec(spec) {
						note(spec)
					}
				}
			}
		}
	}
	return named
}

func exportedSpec(spec ast.Spec) bool {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		return s.Name.IsExported()
	case *ast.ValueSpec:
		return slices.ContainsFunc(s.Names, func(id *ast.Ident) bool { return id.IsExported() })
	}
	return false
}
