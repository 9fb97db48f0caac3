package integration

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A command that only says something, or refuses what was asked for, leaves no file and no
// folder: neither where it is started, nor at home, nor where programs keep settings.
func TestProgramLeavesNothing(t *testing.T) {
	t.Parallel()
	program, err := binary()
	require.NoError(t, err)
	for args, want := range map[string]int{
		"version": 0, "--version": 0, "help": 0, "help up": 0, "completion bash": 0,
		"": 0, "nothing": 1, "--nothing": 1, "backup create --nothing": 1, "up --nothing": 1,
		"up --mode nothing": 1, "single --port nothing": 1, "dbserver": 1,
		"agent --dir d --listen 127.0.0.1:0 --grace 1s": 1, "dbserver --dir d --listen 127.0.0.1:0 --agency http://127.0.0.1:1 --log-level nothing": 1,
		"status --endpoint tcp://127.0.0.1:1": 1, "backup list --endpoint tcp://127.0.0.1:1": 1,
	} {
		t.Run(strings.ReplaceAll(args, "/", "_"), func(t *testing.T) {
			root := t.TempDir()
			env := []string{"GOCOVERDIR=" + t.TempDir()}
			for _, name := range []string{"HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "work"} {
				dir := filepath.Join(root, name)
				require.NoError(t, os.Mkdir(dir, 0o700))
				env = append(env, name+"="+dir)
			}
			for _, home := range []bool{true, false} { // with the folders that XDG names, and with those at home
				cmd := exec.CommandContext(t.Context(), program, strings.Fields(args)...)
				cmd.Dir = filepath.Join(root, "work")
				if cmd.Env = env; home {
					cmd.Env = env[:3]
				}
				var out bytes.Buffer
				cmd.Stdout, cmd.Stderr = &out, &out
				err := cmd.Run()
				var exit *exec.ExitError
				require.True(t, err == nil || errors.As(err, &exit), "%v", err)
				require.Equal(t, want, cmd.ProcessState.ExitCode(), out.String())
				require.NotEmpty(t, out.String())
				require.Empty(t, below(t, root), "it leaves something")
			}
		})
	}
}

// below are all paths in the folders of root.
func below(t *testing.T, root string) (found []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if rel, rerr := filepath.Rel(root, path); rerr == nil && strings.Contains(rel, string(filepath.Separator)) {
			found = append(found, rel)
		}
		return err
	}))
	return found
}
