//go:build unix

package integration

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whatever the umask that the program is started with, all that it makes is its user's
// alone: the directory of --dir, which it makes itself, everything in it, and the ready file. And a command that
// only says something makes nothing.
func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	program, err := binary()
	require.NoError(t, err)
	home, temporary, work := t.TempDir(), t.TempDir(), t.TempDir()
	command := func(args string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "umask 0; exec '"+program+"' "+args)
		cmd.Dir = work
		cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home, "TMPDIR="+temporary)
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		return cmd
	}
	for _, args := range []string{"version", "--version", "help", "backup upload --help"} {
		out, err := command(args).CombinedOutput()
		require.NoError(t, err, "%s", out)
		for _, dir := range []string{home, temporary, work} {
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, entries, "stasis %s makes something", args)
		}
	}

	up := command("up --mode processes --agents 1 --dbservers 1 --coordinators 1 --base-port 0 --dir new/cluster --ready-file ready.json")
	require.NoError(t, up.Start())
	ended := make(chan error, 1)
	go func() { ended <- up.Wait() }()
	tick, late := time.NewTicker(50*time.Millisecond), time.After(2*time.Minute)
	defer tick.Stop()
	for ready := false; !ready; {
		select {
		case err := <-ended:
			require.FailNow(t, "the cluster ended", "%v", err)
		case <-late:
			require.FailNow(t, "the cluster is not ready after two minutes")
		case <-tick.C:
			_, err := os.Stat(filepath.Join(work, "ready.json"))
			ready = err == nil
		}
	}
	modes := map[string]fs.FileMode{}
	err = filepath.WalkDir(work, func(path string, e fs.DirEntry, err error) error {
		if path == work || errors.Is(err, fs.ErrNotExist) { // removed meanwhile
			return nil
		}
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil {
			modes[path] = info.Mode().Perm()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	require.NoError(t, up.Process.Signal(syscall.SIGTERM))
	require.NoError(t, <-ended)
	require.NoError(t, err)
	for _, name := range []string{"new", "new/cluster", "new/cluster/cluster.lock", "ready.json"} {
		require.Contains(t, modes, filepath.Join(work, name), "the test looks in the wrong place")
	}
	require.Greater(t, len(modes), 30)
	for path, mode := range modes {
		require.Zero(t, mode&0o077, "%s can be used by others: %v", path, mode)
	}
}
