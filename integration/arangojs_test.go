package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/minicluster"
)

// arangoJS is the version of the client; its package has no tests, so these are ours.
const arangoJS = "arangojs@10.4.0"

// The official client for JavaScript begins, fills, commits and aborts transactions, also several at once.
func TestTransactionsByArangoJS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script, err := os.ReadFile(filepath.Join("testdata", "arangojs.mjs"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "test.mjs"), script, 0o600))
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("NOT TESTED here: " + arangoJS + ", since there is no node")
	}
	install := exec.CommandContext(t.Context(), "npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", dir, arangoJS)
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED here: %s cannot be installed: %v\n%s", arangoJS, err, out)
	}
	c := start(t, options(t, minicluster.InProcess))
	run := exec.CommandContext(t.Context(), "node", "--test-reporter=spec", "--test-concurrency=1", "test.mjs")
	run.Dir = dir
	run.Env = append(os.Environ(), "ARANGO_URLS="+c.clients[0].URL()+","+c.clients[1].URL())
	out, err := run.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "pass 8", "all of them ran: %s", out)
}
