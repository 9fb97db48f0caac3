package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../../.."

// code parses every Go file of the module, by its path.
func code(t *testing.T) map[string]*ast.File {
	t.Helper()
	files, err := parsed()
	require.NoError(t, err)
	return files
}

// parsed reads them once for all tests.
var parsed = sync.OnceValues(func() (map[string]*ast.File, error) {
	files := map[string]*ast.File{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := e.Name()
		if e.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || path == filepath.Join(root, "bench")) {
			return filepath.SkipDir
		}
		if e.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		below, err := filepath.Rel(root, path)
		if err == nil {
			files[filepath.ToSlash(below)], err = parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		}
		return err
	})
	return files, err
})

// named are the names that the program gives to a function of package failpoint: its
// argument of this number.
func named(t *testing.T, files map[string]*ast.File, function string, argument int) (names []string) {
	t.Helper()
	for path, file := range files {
		if strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "internal/failpoint/") {
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != function {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "failpoint" {
				literal, ok := call.Args[argument].(*ast.BasicLit)
				require.True(t, ok, "%s: failpoint.%s wants its name as a literal", path, function)
				name, err := strconv.Unquote(literal.Value)
				require.NoError(t, err)
				names = append(names, name)
			}
			return true
		})
	}
	slices.Sort(names)
	return names
}

// Every safety line of the code is in the list, once in each; and the list has no other.
func TestListIsComplete(t *testing.T) {
	files := code(t)
	var listed []string
	for _, m := range mutants {
		listed = append(listed, m.name)
		require.True(t, m.says != "" && m.protects != "", m.name)
	}
	require.True(t, slices.IsSortedFunc(mutants, func(a, b mutant) int { return strings.Compare(a.room, b.room) }), "the list is not in the order of its folders")
	slices.Sort(listed)
	require.Equal(t, slices.Compact(slices.Clone(listed)), listed, "a safety line is listed twice")
	lines := named(t, files, "Off", 0)
	require.Equal(t, slices.Compact(slices.Clone(lines)), lines, "two safety lines have one name")
	require.Equal(t, lines, listed, "the safety lines of the code, and those of the list")
}

// Every test of the list exists.
func TestTestsOfTheListExist(t *testing.T) {
	tests := map[string]bool{}
	for path, file := range code(t) {
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasSuffix(path, "_test.go") {
				tests[filepath.ToSlash(filepath.Dir(path))+" "+f.Name.Name] = true
			}
		}
	}
	for _, m := range mutants {
		name, _, _ := strings.Cut(m.test, "/")
		require.True(t, tests[m.room+" "+name], "%s: there is no test %s in %s", m.name, name, m.room)
	}
}

// The points that a process can be armed with are those of the code.
func TestPointsAreListed(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../points.go", nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	var listed []string
	ast.Inspect(file, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			name, err := strconv.Unquote(literal.Value)
			require.NoError(t, err)
			listed = append(listed, name)
		}
		return true
	})
	slices.Sort(listed)
	require.Equal(t, slices.Compact(named(t, code(t), "Hit", 1)), listed, "the points of the code, and those of internal/failpoint/points.go")
}

func TestPartsOfTheList(t *testing.T) {
	list := []mutant{{name: "a"}, {name: "b"}, {name: "c"}, {name: "d"}}
	var all []mutant
	for _, part := range []string{"1/3", "2/3", "3/3"} {
		some, err := choose(list, []string{part})
		require.NoError(t, err)
		require.NotEmpty(t, some)
		all = append(all, some...)
	}
	require.Equal(t, list, all)
	some, err := choose(list, []string{"c", "a"})
	require.NoError(t, err)
	require.Equal(t, []mutant{{name: "c"}, {name: "a"}}, some)
	for _, nonsense := range []string{"0/3", "4/3", "none"} {
		_, err = choose(list, []string{nonsense})
		require.Error(t, err, nonsense)
	}
}

// failed is how a process ends that has exited with 1.
func failed(t *testing.T, code string) error {
	t.Helper()
	err := exec.CommandContext(t.Context(), "sh", "-c", "exit "+code).Run()
	require.Error(t, err)
	return err
}

// Only a failure of the assertion that is named counts.
func TestJudge(t *testing.T) {
	raw, err := os.ReadFile("testdata/failure.txt")
	require.NoError(t, err)
	out, m := string(raw), mutant{name: "x", test: "TestX", says: "shows what is another's"}
	require.Equal(t, "/x_test.go:12 Error: An error is expected but got nil. it shows what is another's to show", assertion(out))
	one := failed(t, "1")
	require.Equal(t, killed, judge(m, out, one).outcome)
	require.Equal(t, "SURVIVED", judge(m, "--- PASS: TestX (0.00s)\n", nil).outcome)
	for what, v := range map[string]verdict{
		"another assertion": judge(mutant{test: "TestX", says: "something else"}, out, one),
		"a later assertion": judge(mutant{test: "TestX", says: "the second one"}, out, one),
		"another test":      judge(mutant{test: "TestY", says: m.says}, out, one),
		"a panic":           judge(m, out, failed(t, "2")),
		"no assertion":      judge(m, "--- FAIL: TestX (0.00s)\n", one),
	} {
		require.Equal(t, "WRONG FAILURE", v.outcome, what)
	}
}

// Servers delay themselves never: package fault alone makes random delays, and only what starts and breaks a cluster
// asks it to: by itself, or by the orders of fault/control.
func TestOnlyTheLabDelays(t *testing.T) {
	asks := func(file *ast.File, in, name string) (found bool) {
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok || s.Sel.Name != name {
				return true
			}
			x, ok := s.X.(*ast.Ident)
			found = found || ok && x.Name == in
			return true
		})
		return found
	}
	var makes []string
	for path, file := range code(t) {
		path = filepath.ToSlash(path)
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		if asks(file, "failpoint", "Delay") {
			makes = append(makes, path)
		}
		if asks(file, "fault", "Buggify") && path != "fault/control/delays.go" || asks(file, "control", "Delays") {
			room, _, _ := strings.Cut(path, "/")
			require.Contains(t, []string{"lab", "minicluster", "cmd"}, room, path)
		}
	}
	require.Equal(t, []string{"fault/buggify.go"}, makes)
}
