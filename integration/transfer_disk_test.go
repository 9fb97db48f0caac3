package integration

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/coordinator/backup"
	"stasis/internal/apierror"
	"stasis/minicluster"
	"stasis/minicluster/load"
)

// A DB server whose disk runs full in the middle of a download fails its part with
// the number of a full disk, and gives the space back; the others complete; the backup
// is not available and cannot be restored. The cluster goes on writing. When there is
// space, the same download completes.
func TestFullDiskDuringDownload(t *testing.T) {
	t.Parallel()
	o := options(t, minicluster.InProcess)
	var room, met atomic.Int64 // writes that still fit; those that did not
	room.Store(1 << 40)
	o.FS = func(server string) vfs.FS {
		if server != "dbserver-1" {
			return vfs.Default
		}
		return errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind != errorfs.OpFileWrite || !strings.Contains(op.Path, ".pending") || room.Add(-1) >= 0 {
				return nil
			}
			met.Add(1)
			return &fs.PathError{Op: "write", Path: op.Path, Err: syscall.ENOSPC}
		}))
	}
	r := newRemote(t, &o)
	c := start(t, o)
	docs := filled(t, c, 300)
	b := mustCreate(t, c, "full")
	remote := map[string]any{"id": b.ID, "remoteRepository": r.path, "config": r.config, "transfers": 1}
	transferred(t, c, "upload", remote)
	removeBackup(t, c, b.ID)

	room.Store(4)
	st := ended(t, c, begun(t, c, "download", remote))
	require.Positive(t, met.Load(), "the disk was not full")
	for server, e := range st.DBServers {
		if server != victimOf(t, c) {
			require.Equal(t, keys.TransferCompleted, e.Status, e.ErrorMessage)
			continue
		}
		require.Equal(t, keys.TransferFailed, e.Status)
		require.EqualValues(t, apierror.NoSpace, e.Error, e.ErrorMessage)
	}
	require.NoError(t, noPending(o.Dir, "dbserver-1", b.ID))
	_, err := os.Stat(filepath.Join(o.Dir, "dbserver-1", "backups", b.ID))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.False(t, listBackups(t, c.clients[1])[b.ID].Available)
	require.Error(t, c.clients[1].Backup(t.Context(), "restore", map[string]any{"id": b.ID}, &backup.RestoreResult{}))
	require.NoError(t, c.db(0).CreateCollection(t.Context(), "after", 3), "the cluster goes on")

	room.Store(1 << 40)
	transferred(t, c, "download", remote)
	require.NoError(t, c.clients[1].Backup(t.Context(), "restore", map[string]any{"id": b.ID}, &backup.RestoreResult{}))
	all, err := load.Read(t.Context(), c.db(0), "people")
	require.NoError(t, err)
	require.Equal(t, docs, all)
}
