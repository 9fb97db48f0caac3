package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/minicluster"
)

// driverSuite is a test suite that the authors of a driver publish with it, in the module of the driver. It is compiled as it
// is there, with the versions that its own go.mod names.
type driverSuite struct {
	module, pkg string
	env         []string
	passes      []string          // tests that have to pass
	left        []string          // tests that the suite itself leaves out, since the server says that it has no V8
	refused     map[string]string // tests that cannot pass: what they ask for is refused with the text
}

var driverSuites = map[string]driverSuite{
	"v2": {
		module: "github.com/arangodb/go-driver/v2", pkg: "./tests",
		passes: []string{
			"Test_DatabaseTransactions_DataIsolation", "Test_DatabaseTransactions_DocumentLock", "Test_DatabaseTransactions_List",
			"Test_DatabaseCollectionDocReadAllowDirtyReads", // reads in a transaction that has declared nothing
		},
		left: []string{"Test_DatabaseTransactionsJS"},
	},
	"v1": {
		module: "github.com/arangodb/go-driver", pkg: "./test",
		env:     []string{"TEST_AUTHENTICATION=", "TEST_CONTENT_TYPE=json", "TEST_CONNECTION=http"},
		passes:  []string{"TestTransactionCommit", "TestTransactionAbort"},
		refused: map[string]string{"TestDatabaseTransaction": "transactions are not supported by this version"}, // there is no JavaScript
	},
}

// The tests of transactions of the official Go drivers pass, unmodified, from processes of their own. Those of JavaScript
// transactions are refused, and are told so.
func TestDriversOwnTransactionTests(t *testing.T) {
	t.Parallel()
	programs := map[string]string{}
	for name, s := range driverSuites {
		programs[name] = s.compile(t)
	}
	c := start(t, options(t, minicluster.InProcess))
	for name, s := range driverSuites {
		t.Run(name, func(t *testing.T) {
			if programs[name] == "" {
				t.Skip("NOT TESTED: the suite of " + s.module + " cannot be compiled here, since its modules cannot be had")
			}
			s.check(t, programs[name], c)
		})
	}
}

// compile builds the suite, and gives the path of the program. It is empty if the modules of the suite cannot be had.
func (s driverSuite) compile(t *testing.T) string {
	t.Helper()
	dir := s.dir(t)
	if out, err := s.command(t, dir, "go", "list", "-test", "-deps", s.pkg).CombinedOutput(); err != nil {
		t.Logf("the modules of the suite of %s cannot be had: %v\n%s", s.module, err, out)
		return ""
	}
	program := filepath.Join(t.TempDir(), "suite.test")
	out, err := s.command(t, dir, "go", "test", "-c", "-o", program, s.pkg).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// dir is the folder of the driver's module, which the build of these tests has downloaded.
func (s driverSuite) dir(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", s.module).Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

func (s driverSuite) command(t *testing.T, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off", "GOTOOLCHAIN=local")
	return cmd
}

func (s driverSuite) check(t *testing.T, program string, c *cluster) {
	t.Helper()
	all := slices.Concat(s.passes, s.left)
	for name := range s.refused {
		all = append(all, name)
	}
	run := s.command(t, filepath.Join(s.dir(t), s.pkg), program, "-test.v", "-test.timeout", (5 * time.Minute).String(), "-test.run", "^("+strings.Join(all, "|")+")$")
	run.Env = append(run.Env, "TEST_MODE=cluster", "TEST_ENDPOINTS="+c.clients[0].URL()+","+c.clients[1].URL())
	run.Env = append(run.Env, s.env...)
	raw, err := run.CombinedOutput()
	out := string(raw)
	require.Equal(t, len(s.refused) > 0, err != nil, "%v\n%s", err, out) // what is refused fails
	for _, name := range s.passes {
		require.Contains(t, out, "\n--- PASS: "+name+" ", out)
		require.NotRegexp(t, `(?m)^\s+--- (FAIL|SKIP): `+name+`/(HTTP2?_JSON)? `, out)
	}
	for _, name := range s.left {
		require.Contains(t, out, "--- SKIP: "+name+"/", out)
	}
	for name, text := range s.refused {
		require.Contains(t, out, "\n--- FAIL: "+name+" ", out)
		require.Contains(t, out, text, out)
	}
	for _, line := range regexp.MustCompile(`(?m)^\s*--- SKIP: .*$`).FindAllString(out, -1) {
		t.Log("left out by the suite itself: " + strings.TrimSpace(line))
	}
}
