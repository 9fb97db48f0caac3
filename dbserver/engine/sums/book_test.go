package sums

import (
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newBook(disk vfs.FS, dir string) *Book { return New(disk, dir, hclog.NewNullLogger()) }

// table creates a table as Pebble does, and lets write fill it.
func table(t testing.TB, b *Book, name string, write func(vfs.File) error) error {
	t.Helper()
	path := b.fs.PathJoin(b.dir, name)
	created, err := b.fs.Create(path, vfs.WriteCategoryUnspecified)
	file, err := b.Writing(path, created, err)
	require.NoError(t, err)
	err = write(file)
	return errors.Join(err, file.Close())
}

func inParts(parts ...string) func(vfs.File) error {
	return func(f vfs.File) error {
		for _, p := range parts {
			if _, err := f.Write([]byte(p)); err != nil {
				return err
			}
		}
		return f.Sync()
	}
}

// sumOf is the sum by another way: reading.
func sumOf(t testing.TB, disk vfs.FS, path string) string {
	t.Helper()
	f, err := disk.Open(path)
	require.NoError(t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	data := make([]byte, info.Size())
	_, err = f.ReadAt(data, 0)
	require.NoError(t, err)
	return strings.TrimSpace(checkOf(data))
}

func TestTableHasTheSumOfWhatWasWritten(t *testing.T) {
	disk := vfs.NewMem()
	require.NoError(t, disk.MkdirAll("e", 0o700))
	b := newBook(disk, "e")
	require.NoError(t, table(t, b, "000001.sst", inParts("one", "", "two")))
	s, known := b.Of("000001.sst")
	require.True(t, known)
	require.EqualValues(t, 6, s.Size)
	require.Equal(t, sumOf(t, disk, "e/000001.sst"), s.SHA256)

	_, known = b.Of("000002.sst")
	require.False(t, known)
	_, known = (*Book)(nil).Of("000001.sst")
	require.False(t, known)
}

var errDisk = errors.New("the disk")

// failing fails one kind of operation on tables.
func failing(kind errorfs.OpKind) vfs.FS {
	return errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == kind && strings.HasSuffix(op.Path, ".sst") {
			return errDisk
		}
		return nil
	}))
}

func TestTableThatWasNotWrittenInOneGoHasNoSum(t *testing.T) {
	for _, c := range []struct {
		name  string
		disk  vfs.FS
		write func(vfs.File) error
		fails bool
	}{
		{"a write fails", failing(errorfs.OpFileWrite), inParts("one"), true},
		{"a sync fails", failing(errorfs.OpFileSync), inParts("one"), true},
		{"nothing says how long it is", failing(errorfs.OpFileStat), inParts("one"), false},
		{"written at an offset", inPlace{vfs.NewMem()}, func(f vfs.File) error {
			if err := inParts("one")(f); err != nil {
				return err
			}
			_, err := f.WriteAt([]byte("t"), 0)
			return err
		}, false},
		{"a part is missing", short{vfs.NewMem()}, inParts("one"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, c.disk.MkdirAll("e", 0o700))
			b := newBook(c.disk, "e")
			err := table(t, b, "000001.sst", c.write)
			require.Equal(t, c.fails, err != nil, "%v", err)
			_, known := b.Of("000001.sst")
			require.False(t, known, "a sum that may be of other bytes")
		})
	}
}

// inPlace is a disk on which created files may be written at an offset.
type inPlace struct{ vfs.FS }

func (d inPlace) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return d.OpenReadWrite(name, c)
}

// short is a disk that keeps one byte less than it is given, and says so.
type short struct{ vfs.FS }

func (d short) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	return shortFile{f}, err
}

type shortFile struct{ vfs.File }

func (f shortFile) Write(p []byte) (int, error) { return f.File.Write(p[:len(p)-1]) }

func TestNameThatIsTakenAgainHasNoSum(t *testing.T) {
	disk := vfs.NewMem()
	require.NoError(t, disk.MkdirAll("e", 0o700))
	b := newBook(disk, "e")
	write := func() {
		require.NoError(t, table(t, b, "000001.sst", inParts("one")))
		_, known := b.Of("000001.sst")
		require.True(t, known)
	}
	write()
	b.Forget("elsewhere/000001.sst")
	_, known := b.Of("000001.sst")
	require.True(t, known, "another directory's")
	b.Forget("e/000001.sst")
	_, known = b.Of("000001.sst")
	require.False(t, known)

	write()
	require.NoError(t, table(t, b, "000001.sst", func(f vfs.File) error {
		_, known := b.Of("000001.sst")
		require.False(t, known, "while it is written again")
		return inParts("two")(f)
	}))
	s, known := b.Of("000001.sst")
	require.True(t, known)
	require.Equal(t, sumOf(t, disk, "e/000001.sst"), s.SHA256)
}
