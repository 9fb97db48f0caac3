package store

import (
	"io"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
)

// An agent that was killed right after a snapshot makes the next one of the same entry in the same millisecond: here
// time stands still between the two. Each is a snapshot of its own.
func TestSnapshotsOfOneMillisecond(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		require.NoError(t, disk.MkdirAll("/agent", 0o755))
		names := map[string]bool{}
		for range 2 { // as many as are kept
			s, err := openSnapshotFiles(disk, "/agent", hclog.NewNullLogger())
			require.NoError(t, err)
			sink := begun(t, s, 9)
			require.NoError(t, sink.Close())
			names[sink.ID()] = true
		}
		require.Len(t, names, 2)
		s, err := openSnapshotFiles(disk, "/agent", hclog.NewNullLogger())
		require.NoError(t, err)
		for name := range names {
			require.Equal(t, "state", content(t, s, name))
		}
	})
}

// A file may change what it is given to write: vfs.File says so. The checksum is of what was to be written.
func TestSnapshotOnADiskThatChangesWhatItIsGiven(t *testing.T) {
	disk := scribbling{vfs.NewMem()}
	require.NoError(t, disk.MkdirAll("/agent", 0o755))
	s, err := openSnapshotFiles(disk, "/agent", hclog.NewNullLogger())
	require.NoError(t, err)
	sink := begun(t, s, 9)
	require.NoError(t, sink.Close())
	require.Equal(t, "state", content(t, s, sink.ID()))
}

func content(t *testing.T, s *snapshotFiles, name string) string {
	t.Helper()
	_, f, err := s.Open(name)
	require.NoError(t, err)
	all, err := io.ReadAll(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return string(all)
}

// scribbling is a file system whose files overwrite the bytes that they are given, when these are written.
type scribbling struct{ vfs.FS }

func (s scribbling) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := s.FS.Create(name, category)
	return scribble{f}, err
}

type scribble struct{ vfs.File }

func (s scribble) Write(p []byte) (int, error) {
	n, err := s.File.Write(p)
	clear(p)
	return n, err
}
