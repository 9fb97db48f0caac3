//go:build unix

package integration

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/internal/fixture"
)

// contentsOf are the hashes, modes and times of everything below dir.
func contentsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		all[path] = fmt.Sprint(info.Mode(), info.ModTime())
		if d.IsDir() {
			return nil
		}
		data, err := os.ReadFile(path)
		all[path] += fmt.Sprintf(" %x", sha256.Sum256(data))
		return err
	}))
	return all
}

// TestVerifyRestoresWhatItMayOnlyRead: a user who may read the pieces and write nothing, neither there nor anywhere else, can restore them into
// memory. Nothing is left.
func TestVerifyRestoresWhatItMayOnlyRead(t *testing.T) {
	built, err := binary()
	require.NoError(t, err)
	formats(t, func(t *testing.T, format string, want expectation) {
		root, err := os.MkdirTemp("", "stasis-read-only-") // not t.TempDir: another user has to get there
		require.NoError(t, err)
		t.Cleanup(func() {
			require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					err = os.Chmod(path, 0o700)
				}
				return err
			}))
			require.NoError(t, os.RemoveAll(root))
		})
		program := filepath.Join(root, "stasis")
		data, err := os.ReadFile(built)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(program, data, 0o755))
		dir := filepath.Join(root, "cluster")
		require.NoError(t, os.Mkdir(dir, 0o755))
		require.NoError(t, fixture.Unpack(format, "cluster.tar.gz", dir))
		require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil {
				err = os.Chmod(path, 0o555)
			}
			return err
		}))
		was := contentsOf(t, root)
		cmd := exec.CommandContext(t.Context(), program, "backup", "verify", "--restore", "--dir", dir)
		cmd.Dir, cmd.Env = root, []string{"HOME=" + root, "TMPDIR=" + root, "GOCOVERDIR=" + root}
		if os.Geteuid() == 0 { // root may write everywhere
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		for _, id := range []string{want.Hot.ID, want.Marked.ID, want.Failsafe.ID} {
			require.Contains(t, string(out), "'"+id+"' is intact")
		}
		require.Equal(t, was, contentsOf(t, root))
	})
}
