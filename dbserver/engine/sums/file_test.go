package sums

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
)

// loaded is the next Book of the same directory, whose engine has these tables.
func loaded(t testing.TB, disk vfs.FS, dir string, version ...string) *Book {
	t.Helper()
	b := newBook(disk, dir)
	require.NoError(t, b.Load(version))
	return b
}

func TestSumsAreKept(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		disk := vfs.NewCrashableMem()
		require.NoError(t, disk.MkdirAll("e", 0o700))
		b := newBook(disk, "e")
		require.NoError(t, b.Load(nil))
		go b.Run()
		defer b.Stop()
		for _, name := range []string{"000001.sst", "000002.sst"} {
			require.NoError(t, table(t, b, name, inParts("content of ", name)))
		}
		b.Installed("000001.sst")
		time.Sleep(savePause + time.Second)
		for _, dir := range []string{"", "e"} {
			d, err := disk.OpenDir(dir)
			require.NoError(t, err)
			require.NoError(t, d.Sync())
			require.NoError(t, d.Close())
		}
		crashed := disk.CrashClone(vfs.CrashCloneCfg{})
		next := loaded(t, crashed, "e", "000001.sst", "000002.sst")
		s, known := next.Of("000001.sst")
		require.True(t, known)
		require.Equal(t, sumOf(t, crashed, "e/000001.sst"), s.SHA256)
		_, known = next.Of("000002.sst")
		require.False(t, known, "the version did not have it when the file was written: its name may be given again")

		_, known = loaded(t, crashed, "e", "000002.sst").Of("000001.sst")
		require.False(t, known, "the sum of a table that is not in the version")

	})
}

// What was written last is on disk when the Book ends.
func TestSumsAreKeptAtTheEnd(t *testing.T) {
	disk := vfs.NewMem()
	require.NoError(t, disk.MkdirAll("e", 0o700))
	b := newBook(disk, "e")
	go b.Run()
	require.NoError(t, table(t, b, "000001.sst", inParts("one")))
	b.Installed("000001.sst")
	b.Stop()
	_, known := loaded(t, disk, "e", "000001.sst").Of("000001.sst")
	require.True(t, known)
}

// A sum is of one file, whatever has its name.
func TestSumIsOfThisFile(t *testing.T) {
	dir := t.TempDir()
	b := newBook(vfs.Default, dir)
	const name = "000001.sst"
	require.NoError(t, table(t, b, name, inParts("content")))
	b.Installed(name)
	go b.Run()
	b.Stop()
	_, known := loaded(t, vfs.Default, dir, name).Of(name)
	require.True(t, known)

	path := filepath.Join(dir, name)
	require.NoError(t, os.Link(path, path+".link"))
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Rename(path+".link", path))
	_, known = loaded(t, vfs.Default, dir, name).Of(name)
	require.True(t, known, "the same file")

	require.NoError(t, os.WriteFile(path+".other", []byte("Content"), 0o600))
	require.NoError(t, os.Rename(path+".other", path))
	_, known = loaded(t, vfs.Default, dir, name).Of(name)
	require.False(t, known, "the sum of another file")
}

// What is on the file of sums is believed as a whole or not at all.
func TestSumsAreChecked(t *testing.T) {
	disk := vfs.NewMem()
	require.NoError(t, disk.MkdirAll("e", 0o700))
	b := newBook(disk, "e")
	const name = "000001.sst"
	require.NoError(t, table(t, b, name, inParts("content")))
	b.Installed(name)
	go b.Run()
	b.Stop()
	good := contentOf(t, disk, "e/"+File)
	for at := range good {
		for _, bad := range [][]byte{good[:at], flipped(good, at)} {
			require.NoError(t, replace(disk, "e/"+File, bad))
			next := newBook(disk, "e")
			require.Error(t, next.Load([]string{name}), "a damaged file is believed: byte %d of %d", at, len(good))
			_, known := next.Of(name)
			require.False(t, known, "the sum of a damaged file")
		}
	}
}

func contentOf(t testing.TB, disk vfs.FS, path string) []byte {
	t.Helper()
	f, err := disk.Open(path)
	require.NoError(t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	data := make([]byte, info.Size())
	_, err = f.ReadAt(data, 0)
	require.NoError(t, err)
	return data
}

func flipped(data []byte, at int) []byte {
	bad := append([]byte(nil), data...)
	bad[at] ^= 1
	return bad
}

func replace(disk vfs.FS, path string, data []byte) error {
	f, err := disk.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err := f.Write(append([]byte(nil), data...)); err != nil {
		return err
	}
	return f.Close()
}

// The file is as large as what the engine has, and is written only if it lacks something.
func TestSumsOfRemovedTablesGo(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		require.NoError(t, disk.MkdirAll("e", 0o700))
		b := newBook(disk, "e")
		go b.Run()
		defer b.Stop()
		var size int
		for i := range 50 {
			name := []string{"000001.sst", "000002.sst"}[i%2]
			require.NoError(t, table(t, b, name, inParts("content")))
			b.Installed(name)
			time.Sleep(2 * savePause)
			if i == 0 {
				size = len(contentOf(t, disk, "e/"+File))
			}
			b.Forget("e/" + name)
		}
		require.InDelta(t, size, len(contentOf(t, disk, "e/"+File)), 20)
		info, err := disk.Stat("e/" + File)
		require.NoError(t, err)
		time.Sleep(10 * savePause)
		again, err := disk.Stat("e/" + File)
		require.NoError(t, err)
		require.Equal(t, info.ModTime(), again.ModTime(), "written without a reason")
	})
}
