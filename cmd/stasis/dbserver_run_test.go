package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the flags about remotes say is checked before anything is started, for processes
// too, whose DB servers get the same flags.
func TestRemoteFlags(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "remotes")
	require.NoError(t, os.WriteFile(file, []byte("[a]\ntype = floppy\npass = s3cret\n"), 0o644))
	for flag, says := range map[string]string{
		"--backup.local-root=" + filepath.Join(dir, "none"): "--backup.local-root",
		"--backup.remote-types=floppy":                      "--backup.remote-types",
		"--backup.remote-hosts=a/b":                         "--backup.remote-hosts",
		"--backup.remotes=" + file:                          "--backup.remotes: [a]",
	} {
		for _, command := range [][]string{{"up", "--mode", "processes"}, {"single"}, {"dbserver", "--listen", "127.0.0.1:0", "--agency", "http://127.0.0.1:1"}} {
			status, _, errOut := stasis(append(command, "--dir", filepath.Join(dir, "cluster"), flag)...)
			require.Equal(t, 1, status)
			require.Contains(t, errOut, says)
			require.NotContains(t, errOut, "s3cret")
			require.NoDirExists(t, filepath.Join(dir, "cluster", "agent-1"))
		}
	}
	_, _, errOut := stasis("single", "--dir", filepath.Join(dir, "cluster"), "--backup.remotes="+file)
	require.Contains(t, errOut, "chmod 600")
}
