package integration

import (
	"fmt"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// alias is the one name under which a package is imported besides its own.
type alias struct {
	path   string
	name   string
	always bool // never under its own name
	why    string
}

var aliases = []alias{
	{"crypto/rand", "crand", false, "beside math/rand"},
	{"math/rand/v2", "chacha", false, "beside math/rand, whose first version Raft draws from"},
	{"stasis/agency/client", "agencyclient", true, "client alone is the public one, of a coordinator"},
	{"stasis/dbserver/client", "dbclient", true, "client alone is the public one, of a coordinator"},
	{"stasis/dbserver/backup", "dbbackup", false, "beside the coordinator's backup"},
	{"github.com/arangodb/go-driver", "driver", true, "the last element of its path is not its name"},
	{"github.com/arangodb/go-driver/agency", "driveragency", true, "agency is ours"},
	{"github.com/arangodb/go-driver/http", "driverhttp", true, "http is the standard library's"},
	{"github.com/hashicorp/raft-boltdb/v2", "raftboltdb", true, "the last element of its path is not its name"},
	{"github.com/hashicorp/raft-wal", "wal", true, "the last element of its path is not its name"},
}

// wrongAliases are the imports of a file that do not follow the table.
func wrongAliases(s source) []string {
	var found []string
	for _, spec := range s.file.Imports {
		library, err := strconv.Unquote(spec.Path.Value)
		if err != nil || spec.Name != nil && spec.Name.Name == "_" {
			continue
		}
		i := slices.IndexFunc(aliases, func(a alias) bool { return a.path == library })
		switch {
		case i >= 0 && (spec.Name == nil && aliases[i].always || spec.Name != nil && spec.Name.Name != aliases[i].name):
			found = append(found, fmt.Sprintf("%s: import %s as %s: %s", s.path, library, aliases[i].name, aliases[i].why))
		case i < 0 && spec.Name != nil && spec.Name.Name != path.Base(library):
			found = append(found, fmt.Sprintf("%s: imports %s as %s, which is not in the table of aliases: use its own name, or enter the alias with its reason", s.path, library, spec.Name.Name))
		}
	}
	return found
}

// A package has the same name wherever it is imported, and a name means the same package.
func TestImportAliases(t *testing.T) {
	var found []string
	used := map[string]bool{}
	for _, s := range parseTree(t) {
		found = append(found, wrongAliases(s)...)
		for _, library := range s.imports() {
			used[library] = true
		}
	}
	names := map[string]string{}
	for _, a := range aliases {
		if !used[a.path] {
			found = append(found, "the table of aliases has a row for "+a.path+", which is not imported")
		}
		if other, twice := names[a.name]; twice {
			found = append(found, a.name+" is the alias of both "+other+" and "+a.path)
		}
		names[a.name] = a.path
	}
	require.Empty(t, found, strings.Join(found, "\n"))
}

// The check sees what it is for.
func TestImportAliasesAreEnforced(t *testing.T) {
	for _, c := range []struct{ imports, want string }{
		{`"stasis/agency/client"`, "import stasis/agency/client as agencyclient"},
		{`agency "stasis/agency/client"`, "import stasis/agency/client as agencyclient"},
		{`agencyclient "stasis/agency/client"`, ""},
		{`"stasis/dbserver/backup"`, ""},
		{`dbbackup "stasis/dbserver/backup"`, ""},
		{`pieces "stasis/dbserver/backup"`, "import stasis/dbserver/backup as dbbackup"},
		{`f "fmt"`, "not in the table"},
		{`_ "net/http/pprof"`, ""},
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nimport "+c.imports+"\n", parser.SkipObjectResolution)
		require.NoError(t, err)
		got := strings.Join(wrongAliases(source{path: filepath.FromSlash("cmd/stasis/x.go"), file: file}), "\n")
		if c.want == "" {
			require.Empty(t, got, c.imports)
			continue
		}
		require.Contains(t, got, c.want, c.imports)
	}
}
