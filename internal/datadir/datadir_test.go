package datadir

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
)

const lockHelper = "STASIS_TEST_LOCK_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(lockHelper); dir != "" { // as another process
		_, err := Open(vfs.Default, dir, DBServer, nil)
		fmt.Println(err)
		return
	}
	os.Exit(m.Run())
}

// disk is a file system and a directory on it that does not exist.
type disk struct {
	fs  vfs.FS
	dir string
}

// disks runs a test on the real disk and on one in memory.
func disks(t *testing.T, test func(*testing.T, disk)) {
	t.Run("real", func(t *testing.T) { test(t, disk{vfs.Default, filepath.Join(t.TempDir(), "a", "b")}) })
	t.Run("memory", func(t *testing.T) { test(t, disk{vfs.NewMem(), "/a/b"}) })
}

func (d disk) open(t *testing.T, role Role) *Dir {
	t.Helper()
	dir, err := Open(d.fs, d.dir, role, nil)
	require.NoError(t, err)
	return dir
}

func (d disk) write(t *testing.T, name, content string) {
	t.Helper()
	f, err := d.fs.Create(d.fs.PathJoin(d.dir, name), vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	_, err = io.WriteString(f, content)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestIdentityIsForLife(t *testing.T) {
	disks(t, func(t *testing.T, d disk) {
		for role, prefix := range map[Role]string{Agent: "AGNT-", DBServer: "PRMR-", Coordinator: "CRDN-"} {
			d := disk{d.fs, d.fs.PathJoin(d.dir, string(role))}
			dir := d.open(t, role)
			id := dir.ID()
			require.Regexp(t, "^"+prefix+"[0-9a-f-]{36}$", id)
			require.Equal(t, d.fs.PathJoin(d.dir, "x", "y"), dir.Path("x", "y"))
			require.NoError(t, dir.Close())
			require.NoError(t, dir.Close(), "again is harmless")
			again := d.open(t, role)
			require.Equal(t, id, again.ID())
			require.NoError(t, again.Close())
		}
	})
}

func TestIDOfTheCallersChoice(t *testing.T) {
	d := disk{vfs.NewMem(), "d"}
	dir, err := Open(d.fs, d.dir, Agent, func() string { return "AGNT-mine" })
	require.NoError(t, err)
	require.Equal(t, "AGNT-mine", dir.ID())
	require.NoError(t, dir.Close())
	dir, err = Open(d.fs, d.dir, Agent, func() string { t.Error("the directory has an id"); return "" })
	require.NoError(t, err)
	require.Equal(t, "AGNT-mine", dir.ID())
	require.NoError(t, dir.Close())
}

// Each refusal is one line that names the directory, and changes nothing in it.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name, file, content string
		is                  error
		says                string
	}{
		{"another role", identityFile, `{"format":1,"role":"agent","id":"AGNT-1"}`, ErrRole, "belongs to another role: it is the agent AGNT-1, not one of a dbserver"},
		{"newer format", identityFile, `{"format":2,"role":"dbserver","id":"PRMR-1","version":"v9"}`, ErrFormat, `it has format 2 (written by version "v9"), this program reads 1`},
		{"no format", identityFile, `{}`, ErrFormat, "format 0"},
		{"no JSON", identityFile, `PRMR-1`, ErrDamaged, "is damaged: STASIS"},
		{"empty file", identityFile, ``, ErrDamaged, "is damaged: STASIS"},
		{"no id", identityFile, `{"format":1,"role":"dbserver"}`, ErrDamaged, "STASIS names no id"},
		{"foreign files", "thesis.tex", `\documentclass`, ErrForeign, `it has no file STASIS but holds "thesis.tex"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			disks(t, func(t *testing.T, d disk) {
				require.NoError(t, d.fs.MkdirAll(d.dir, 0o755))
				d.write(t, c.file, c.content)
				for range 2 { // the second time shows that the first left no lock
					_, err := Open(d.fs, d.dir, DBServer, nil)
					require.ErrorIs(t, err, c.is)
					require.ErrorContains(t, err, d.dir)
					require.ErrorContains(t, err, c.says)
					require.NotContains(t, err.Error(), "\n")
				}
				f, err := d.fs.Open(d.fs.PathJoin(d.dir, c.file))
				require.NoError(t, err)
				raw, err := io.ReadAll(f)
				require.NoError(t, err)
				require.NoError(t, f.Close())
				require.Equal(t, c.content, string(raw))
			})
		})
	}
}

func TestInUse(t *testing.T) {
	disks(t, func(t *testing.T, d disk) {
		dir := d.open(t, DBServer)
		_, err := Open(d.fs, d.dir, DBServer, nil)
		require.ErrorIs(t, err, ErrInUse)
		require.ErrorContains(t, err, "data directory "+d.dir+" is in use by another process")
		require.NoError(t, dir.Close())
		require.NoError(t, d.open(t, DBServer).Close())
	})
}

// A lock of another name in the same directory is another lock.
func TestLockOfOnesOwn(t *testing.T) {
	fs := vfs.NewMem()
	id, err := Owner(fs, "data")
	require.NoError(t, err)
	require.Empty(t, id, "there is no such directory")
	d, err := Open(fs, "data", Agent, nil)
	require.NoError(t, err)
	id, err = Owner(fs, "data")
	require.NoError(t, err)
	require.Equal(t, d.ID(), id)
	lock, err := Lock(fs, "data", "other.lock")
	require.NoError(t, err)
	_, err = Lock(fs, "data", "other.lock")
	require.ErrorIs(t, err, ErrInUse)
	require.ErrorContains(t, err, "other.lock")
	require.NoError(t, lock.Close())
	require.NoError(t, d.Close())
}

func TestInUseByAnotherProcess(t *testing.T) {
	d := disk{vfs.Default, t.TempDir()}
	dir := d.open(t, DBServer)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), lockHelper+"="+d.dir)
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Contains(t, string(out), "is in use by another process")
	require.NoError(t, dir.Close())
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), lockHelper+"="+d.dir)
	out, err = cmd.Output()
	require.NoError(t, err)
	require.Equal(t, "<nil>\n", string(out))
}

func TestDirectoryThatCannotBeLocked(t *testing.T) {
	d := disk{vfs.Default, t.TempDir()}
	require.NoError(t, os.Mkdir(filepath.Join(d.dir, lockFile), 0o755)) // a folder cannot be opened for writing
	_, err := Open(d.fs, d.dir, DBServer, nil)
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrInUse)
	require.ErrorContains(t, err, d.dir)
}

func TestPathThatIsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err := Open(vfs.Default, path, DBServer, nil)
	require.ErrorIs(t, err, syscall.ENOTDIR)
	require.ErrorContains(t, err, path)
}

func TestWhatMayLieInANewDirectory(t *testing.T) {
	disks(t, func(t *testing.T, d disk) {
		require.NoError(t, d.fs.MkdirAll(d.fs.PathJoin(d.dir, "lost+found"), 0o755))
		for _, name := range []string{identityTemp, lockFile, "server.log", ".keep"} {
			d.write(t, name, "torn")
		}
		require.NoError(t, d.open(t, Agent).Close())
	})
}

// Stop at every file operation of the first Open and lose what was not synced:
// the next Open gets a whole directory, and an id that was given out stays.
func TestCrashAtEveryOperation(t *testing.T) {
	for n := int32(0); ; n++ {
		mem := vfs.NewCrashableMem()
		var calls atomic.Int32
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(errorfs.Op) error {
			if calls.Add(1) > n {
				return errorfs.ErrInjected
			}
			return nil
		}))
		dir, err := Open(fs, "a/b/c", DBServer, nil)
		crashed := mem.CrashClone(vfs.CrashCloneCfg{})
		again, aerr := Open(crashed, "a/b/c", DBServer, nil)
		require.NoError(t, aerr, "after %d operations", n)
		if err == nil {
			require.Equal(t, dir.ID(), again.ID(), "after %d operations", n)
			require.Greater(t, n, int32(5), "the fault never fired")
			return
		}
		require.ErrorIs(t, err, errorfs.ErrInjected)
	}
}

func TestSameFileSystem(t *testing.T) {
	disks(t, func(t *testing.T, d disk) {
		a, b := d.fs.PathJoin(d.dir, "a"), d.fs.PathJoin(d.dir, "b")
		require.NoError(t, d.fs.MkdirAll(a, 0o755))
		require.NoError(t, d.fs.MkdirAll(b, 0o755))
		disk{d.fs, b}.write(t, linkProbe+".linked", "of a probe that died")
		for range 2 {
			require.NoError(t, CheckSameFileSystem(d.fs, a, b))
		}
		for _, dir := range []string{a, b} {
			names, err := d.fs.List(dir)
			require.NoError(t, err)
			require.Empty(t, names, "nothing is left of the probe")
		}
		require.Error(t, CheckSameFileSystem(d.fs, a, d.fs.PathJoin(d.dir, "missing")))
		require.Error(t, CheckSameFileSystem(d.fs, d.fs.PathJoin(d.dir, "missing"), b))
	})
}

func TestAnotherFileSystem(t *testing.T) {
	mem := vfs.NewMem()
	require.NoError(t, mem.MkdirAll("a", 0o755))
	require.NoError(t, mem.MkdirAll("b", 0o755))
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpLink {
			return syscall.EXDEV
		}
		return nil
	}))
	err := CheckSameFileSystem(fs, "a", "b")
	require.ErrorIs(t, err, syscall.EXDEV)
	require.ErrorContains(t, err, "hard link from a to b: they must be on one file system")
	names, err := mem.List("a")
	require.NoError(t, err)
	require.Empty(t, names)
}
