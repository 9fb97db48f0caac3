package fault_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/fault"
)

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 3)) }

func syncFolder(t *testing.T, fs vfs.FS, name string) {
	t.Helper()
	d, err := fs.OpenDir(name)
	require.NoError(t, err)
	require.NoError(t, d.Sync())
	require.NoError(t, d.Close())
}

// A fault that is made for so many calls ends by itself after them.
func TestFaultHealsByItself(t *testing.T) {
	disk := fault.NewDisk()
	f := put(t, disk.FS(), "f", "x")
	failing := disk.Fail(fault.Calls{Kinds: fault.Sync, After: 1, Times: 2}, syscall.EIO)
	var got []bool
	for range 5 {
		got = append(got, errors.Is(f.Sync(), syscall.EIO))
	}
	require.Equal(t, []bool{false, true, true, false, false}, got)
	require.Equal(t, 2, failing.Met())
}

// The bytes of a sync that failed are gone although they are read until the crash, and although later syncs succeed; what is
// written again is not.
func TestLostSync(t *testing.T) {
	disk := fault.NewDisk()
	fs := disk.FS()
	f := put(t, fs, "f", strings.Repeat("a", 1024))
	require.NoError(t, f.Sync())
	syncFolder(t, fs, "")
	_, err := f.WriteAt([]byte(strings.Repeat("b", 512)), 0)
	require.NoError(t, err)
	lost := disk.LoseSyncs(fault.Calls{Times: 1}, syscall.EIO)
	require.ErrorIs(t, f.Sync(), syscall.EIO)
	require.Equal(t, 1, lost.Met())
	_, err = f.WriteAt([]byte(strings.Repeat("c", 512)), 512)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	content, err := readAll(fs, "f")
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("b", 512)+strings.Repeat("c", 512), content)
	require.NoError(t, disk.Crash(0, nil))
	content, err = readAll(disk.FS(), "f")
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("a", 512)+strings.Repeat("c", 512), content)
}

// An entry of a folder that was not synced may be missing after a crash, one that was removed may be back, and a file that was renamed
// has at least one of its names. With 0 in the hundred all is as it was synced.
func TestUnsyncedEntries(t *testing.T) {
	seen := map[string]int{}
	left := func(percent int, seed uint64) string {
		disk := fault.NewDisk()
		fs := disk.FS()
		for _, name := range []string{"d/kept", "d/removed", "d/old"} {
			require.NoError(t, fs.MkdirAll("d", 0o700))
			require.NoError(t, put(t, fs, name, "x").Sync())
		}
		syncFolder(t, fs, "d")
		syncFolder(t, fs, "")
		require.NoError(t, put(t, fs, "d/made", "x").Sync())
		require.NoError(t, fs.Remove("d/removed"))
		require.NoError(t, fs.Rename("d/old", "d/new"))
		require.NoError(t, fs.Link("d/kept", "d/linked"))
		require.NoError(t, disk.Crash(percent, seeded(seed)))
		names, err := disk.FS().List("d")
		require.NoError(t, err)
		return strings.Join(names, " ")
	}
	require.Equal(t, "kept old removed", left(0, 1))
	require.Equal(t, "kept linked made new", left(100, 1))
	for seed := range uint64(200) {
		names := left(50, seed)
		require.Equal(t, names, left(50, seed), "a seed leaves the same")
		list := strings.Fields(names)
		require.Contains(t, list, "kept")
		require.True(t, slices.Contains(list, "old") || slices.Contains(list, "new"), "a renamed file is lost: %s", names)
		for _, name := range list {
			seen[name]++
		}
		seen[fmt.Sprint("both ", slices.Contains(list, "old") && slices.Contains(list, "new"))]++
	}
	for _, name := range []string{"made", "removed", "linked", "old", "new", "both true", "both false"} {
		require.Greater(t, seen[name], 20, name)
		require.Less(t, seen[name], 180, name)
	}
}

// Two names of a file are one file after a crash.
func TestLinksStayLinks(t *testing.T) {
	disk := fault.NewDisk()
	fs := disk.FS()
	require.NoError(t, put(t, fs, "f", "x").Sync())
	require.NoError(t, fs.Link("f", "g"))
	syncFolder(t, fs, "")
	require.NoError(t, disk.Crash(0, nil))
	f, err := disk.FS().OpenReadWrite("f", unspecified)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("y"), 0)
	require.NoError(t, err)
	content, err := readAll(disk.FS(), "g")
	require.NoError(t, err)
	require.Equal(t, "y", content)
}

// Of a write that is torn some sectors are there and some are not, whole ones, and what was synced before is untouched.
func TestTornWrites(t *testing.T) {
	forms := map[string]bool{}
	for seed := range uint64(100) {
		disk := fault.NewDisk()
		fs := disk.FS()
		f := put(t, fs, "d.log", strings.Repeat("s", 700)) // ends in the middle of a sector
		require.NoError(t, f.Sync())
		whole := put(t, fs, "other", strings.Repeat("o", 5000))
		syncFolder(t, fs, "")
		_, err := f.Write([]byte(strings.Repeat("u", 4000)))
		require.NoError(t, err)
		torn := disk.Tear(fault.Calls{Path: func(path string) bool { return path == "d.log" }})
		require.ErrorContains(t, disk.Crash(0, nil), "random")
		require.NoError(t, disk.Crash(0, seeded(seed)))
		require.Equal(t, 1, torn.Met())
		content, err := readAll(disk.FS(), "d.log")
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("s", 700), content[:700])
		form := ""
		for at := 512; at < 4700; at += 512 {
			sector := strings.TrimLeft(content[min(at, len(content)):min(at+512, len(content))], "s")
			require.True(t, strings.Count(sector, "u") == len(sector) || strings.Count(sector, "\x00") == len(sector), "half a sector: %q", sector)
			form += map[bool]string{true: "1", false: "0"}[strings.HasPrefix(sector, "u")]
		}
		require.Contains(t, form, "1")
		require.Contains(t, form, "0")
		forms[form] = true
		content, err = readAll(disk.FS(), "other")
		require.NoError(t, err)
		require.Empty(t, content, "it is not torn, but lost")
		require.NoError(t, whole.Close())
	}
	require.True(t, forms["100000000"], "a prefix")
	require.Greater(t, len(forms), 30)
}

// Damage is where the file is read, whether it is open, synced or linked.
func TestDamage(t *testing.T) {
	for name, disk := range map[string]*fault.Disk{"memory": fault.NewDisk(), "real": fault.WrapDisk(vfs.Default)} {
		t.Run(name, func(t *testing.T) {
			dir, fs := "d", disk.FS()
			if name == "real" {
				dir = t.TempDir()
			}
			require.NoError(t, fs.MkdirAll(filepath.Join(dir, "e"), 0o700))
			a, b := filepath.Join(dir, "e", "a.sst"), filepath.Join(dir, "b.sst")
			was := strings.Repeat("x", 3000)
			for _, path := range []string{a, b, filepath.Join(dir, "c.log")} {
				f := put(t, fs, path, was)
				require.NoError(t, f.Sync())
				require.NoError(t, f.Close())
			}
			tables := func(path string) bool { return strings.HasSuffix(path, ".sst") }
			for how, check := range map[fault.Harm]func(string){
				fault.FlipBit:    func(got string) { require.Len(t, got, 3000) },
				fault.ZeroSector: func(got string) { require.Contains(t, got, strings.Repeat("\x00", 440)) },
				fault.CutOff:     func(got string) { require.Less(t, len(got), 3000) },
			} {
				hit, err := disk.Damage(dir, tables, how, seeded(5))
				require.NoError(t, err)
				require.Equal(t, []string{b, a}, hit)
				for _, path := range hit {
					got, err := readAll(fs, path)
					require.NoError(t, err)
					require.NotEqual(t, was, got)
					check(got)
					f := put(t, fs, path, was)
					require.NoError(t, f.Close())
				}
			}
			got, err := readAll(fs, filepath.Join(dir, "c.log"))
			require.NoError(t, err)
			require.Equal(t, was, got)
		})
	}
}
