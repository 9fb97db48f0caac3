package integration

import (
	"fmt"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/packages"
)

// public are the packages for modules outside this one, with the other packages whose types are in their
// exported signatures. What is of the standard library needs no entry.
var public = map[string][]string{
	"stasis/client":                {"stasis/client/certificate", "stasis/event"},
	"stasis/client/certificate":    nil,
	"stasis/event":                 nil,
	"stasis/fault":                 {"stasis/event", "github.com/cockroachdb/pebble/v2/vfs"},
	"stasis/lab/check":             {"stasis/lab/verdict", "stasis/lab/workload", "stasis/lab/history", "stasis/lab/reader", "stasis/client", "stasis/client/certificate", "stasis/event", "github.com/cockroachdb/pebble/v2/vfs"},
	"stasis/lab/history":           nil,
	"stasis/lab/workload":          {"stasis/client", "stasis/client/certificate", "stasis/event", "stasis/lab/history"},
	"stasis/lab/reader":            {"stasis/client", "stasis/client/certificate", "stasis/event", "github.com/cockroachdb/pebble/v2/vfs"},
	"stasis/minicluster":           {"stasis/event", "stasis/fault", "stasis/dbserver/transfer/storage", "stasis/dbserver/client", "github.com/cockroachdb/pebble/v2/vfs", "github.com/hashicorp/go-hclog", "stasis/fault/control"},
	"stasis/lab/runner":            {"stasis/lab/verdict", "stasis/lab/world", "stasis/client", "stasis/client/certificate", "stasis/event", "stasis/fault", "stasis/lab/reader", "stasis/minicluster", "stasis/dbserver/transfer/storage", "stasis/dbserver/client", "github.com/cockroachdb/pebble/v2/vfs", "github.com/hashicorp/go-hclog", "stasis/fault/control"},
	"stasis/lab/world":             {"stasis/client", "stasis/client/certificate", "stasis/event", "stasis/fault", "stasis/lab/reader", "stasis/minicluster", "stasis/dbserver/transfer/storage", "stasis/dbserver/client", "github.com/cockroachdb/pebble/v2/vfs", "github.com/hashicorp/go-hclog", "stasis/fault/control"},
	"stasis/lab/world/conformance": {"stasis/client", "stasis/client/certificate", "stasis/event", "stasis/fault", "stasis/lab/reader", "stasis/minicluster", "stasis/dbserver/transfer/storage", "stasis/dbserver/client", "github.com/cockroachdb/pebble/v2/vfs", "github.com/hashicorp/go-hclog", "stasis/lab/world", "stasis/fault/control"},
	"stasis/lab":                   {"stasis/lab/runner", "stasis/lab/scenario", "stasis/lab/workload", "stasis/lab/history", "stasis/lab/verdict", "stasis/lab/world", "stasis/client", "stasis/client/certificate", "stasis/event", "stasis/fault", "stasis/lab/reader", "stasis/minicluster", "stasis/dbserver/transfer/storage", "stasis/dbserver/client", "github.com/cockroachdb/pebble/v2/vfs", "github.com/hashicorp/go-hclog"},
	"stasis/fault/control":         {"stasis/event", "stasis/fault", "github.com/cockroachdb/pebble/v2/vfs"},
	"stasis/lab/verdict":           nil,
}

// reach collects the packages whose types a package's exported names reach, each with one way to it.
type reach struct {
	ways map[string]string
	seen map[types.Type]bool
}

func reached(p *types.Package) map[string]string {
	r := &reach{ways: map[string]string{}, seen: map[types.Type]bool{}}
	for _, name := range p.Scope().Names() {
		if o := p.Scope().Lookup(name); o.Exported() {
			r.walk(o.Type(), p.Path()+"."+name)
		}
	}
	return r.ways
}

// walk goes through what a user of a value of the type can name or use.
func (r *reach) walk(t types.Type, way string) {
	if t == nil || r.seen[t] {
		return
	}
	r.seen[t] = true
	switch t := t.(type) {
	case *types.Named:
		r.named(t, way)
	case *types.Alias:
		r.walk(types.Unalias(t), way)
	case *types.Struct:
		for f := range t.Fields() {
			if f.Exported() || f.Embedded() {
				r.walk(f.Type(), way+"."+f.Name())
			}
		}
	case *types.Interface:
		for m := range t.Methods() {
			r.walk(m.Type(), way+"."+m.Name())
		}
	case *types.Signature:
		for _, vars := range []*types.Tuple{t.Params(), t.Results()} {
			for v := range vars.Variables() {
				r.walk(v.Type(), way+"()")
			}
		}
	case *types.Map:
		r.walk(t.Key(), way)
		r.walk(t.Elem(), way)
	case interface{ Elem() types.Type }: // arrays, channels, pointers, slices
		r.walk(t.Elem(), way)
	}
}

func (r *reach) named(t *types.Named, way string) {
	p := t.Obj().Pkg()
	if p == nil { // error
		return
	}
	if _, known := r.ways[p.Path()]; !known {
		r.ways[p.Path()] = way + ": " + t.Obj().Name()
	}
	for arg := range t.TypeArgs().Types() {
		r.walk(arg, way)
	}
	if !strings.HasPrefix(p.Path(), module+"/") {
		return // what others reach is theirs
	}
	methods := types.NewMethodSet(types.NewPointer(t))
	for m := range methods.Methods() {
		if m.Obj().Exported() {
			r.walk(m.Obj().Type(), way+"."+m.Obj().Name())
		}
	}
	r.walk(t.Underlying(), way)
}

// foreign lists what a public package reaches and should not.
func foreign(p *types.Package, others []string) []string {
	var found []string
	for path, way := range reached(p) {
		outside := strings.Contains(strings.SplitN(path, "/", 2)[0], ".") // the standard library's paths have no dot
		ours := strings.HasPrefix(path, module+"/")
		switch {
		case path == p.Path() || slices.Contains(others, path):
		case ours && strings.Contains(path+"/", "/internal/"):
			found = append(found, fmt.Sprintf("%s is of %s, which no other module can import", way, path))
		case ours || outside:
			found = append(found, fmt.Sprintf("%s is of %s, which is not in the table of public packages", way, path))
		}
	}
	slices.Sort(found)
	return found
}

func loadTypes(t *testing.T, paths ...string) map[string]*types.Package {
	t.Helper()
	all, err := packages.Load(&packages.Config{Mode: packages.NeedName | packages.NeedTypes | packages.NeedImports, Context: t.Context()}, paths...)
	require.NoError(t, err)
	loaded := map[string]*types.Package{}
	for _, p := range all {
		require.Empty(t, p.Errors, p.PkgPath)
		loaded[p.PkgPath] = p.Types
	}
	return loaded
}

// A module outside this one can name every type that it meets in the public packages.
func TestPublicPackages(t *testing.T) {
	var paths []string
	for path := range public {
		paths = append(paths, path)
	}
	loaded := loadTypes(t, paths...)
	for path, others := range public {
		require.Contains(t, loaded, path)
		found := foreign(loaded[path], others)
		require.Empty(t, found, strings.Join(found, "\n"))
	}
}

// The check sees what it is for.
func TestPublicPackagesAreEnforced(t *testing.T) {
	loaded := loadTypes(t, "stasis/dbserver", "stasis/minicluster")
	require.Contains(t, strings.Join(foreign(loaded["stasis/dbserver"], nil), "\n"), "stasis/dbserver.Config.Network: Network is of stasis/internal/network, which no other module can import")
	require.Contains(t, strings.Join(foreign(loaded["stasis/minicluster"], nil), "\n"), "is of stasis/fault, which is not in the table")
}

// Module example shows what can be done with the public packages, so it uses no others of this module.
func TestExampleUsesPublicPackages(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "example", "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, library := range (source{path: path, file: file}).imports() {
			if strings.HasPrefix(library, module+"/") {
				require.Contains(t, public, library, path)
			}
		}
	}
}
