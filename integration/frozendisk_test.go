package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// frozenDisk mounts a file system of its own at dir, which is made if need be, and
// gives the calls that freeze and thaw it: while it is frozen every write and sync
// in it hangs inside the kernel. It needs root, loop devices and fsfreeze; elsewhere
// the test is skipped.
func frozenDisk(t *testing.T, dir string) (freeze, thaw func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED here: a disk that hangs, since mounting a loop device needs root")
	}
	image := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	f, err := os.Create(image)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(512<<20))
	require.NoError(t, f.Close())
	for _, command := range [][]string{
		{"mkfs.ext4", "-q", "-F", image},
		{"mount", "-o", "loop", image, dir},
	} {
		if out, err := system(command...); err != nil {
			t.Skipf("NOT TESTED here: a disk that hangs, since %v fails: %v %s", command, err, out)
		}
	}
	t.Cleanup(func() {
		out, err := system("umount", dir)
		require.NoError(t, err, "%s", out)
	})
	require.NoError(t, os.Remove(filepath.Join(dir, "lost+found")))
	out, err := system("fsfreeze", "--help")
	if err != nil {
		t.Skipf("NOT TESTED here: a disk that hangs, since fsfreeze does not run: %v %s", err, out)
	}
	var mu sync.Mutex
	frozen := false
	set := func(flag string, to bool) func() {
		return func() {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			if frozen == to {
				return
			}
			out, err := system("fsfreeze", flag, dir)
			require.NoError(t, err, "%s", out)
			frozen = to
		}
	}
	freeze, thaw = set("-f", true), set("-u", false)
	t.Cleanup(thaw)
	return freeze, thaw
}

// system runs a program of the system, which may lie where only root looks.
func system(command ...string) ([]byte, error) {
	path := command[0]
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/bin", "/bin"} {
		if _, err := os.Stat(filepath.Join(dir, path)); err == nil {
			path = filepath.Join(dir, path)
			break
		}
	}
	return exec.Command(path, command[1:]...).CombinedOutput()
}
