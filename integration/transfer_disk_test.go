package integration

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/coordinator/backup"
	"stasis/fault"
	"stasis/internal/apierror"
	"stasis/minicluster"
)

// A DB server whose disk runs full in the middle of a download fails its part with
// the number of a full disk, and gives the space back; the others complete; the backup
// is not available and cannot be restored. The cluster goes on writing. When there is
// space, the same download completes.
func TestFullDiskDuringDownload(t *testing.T) {
	t.Parallel()
	o := options(t, minicluster.InProcess)
	disks := fault.WrapDisks(vfs.Default)
	o.Seams.Disks = disks.FS
	r := newRemote(t, &o)
	c := start(t, o)
	docs := filled(t, c, 300)
	b := mustCreate(t, c, "full")
	remote := map[string]any{"id": b.ID, "remoteRepository": r.path, "config": r.config, "transfers": 1}
	transferred(t, c, "upload", remote)
	removeBackup(t, c, b.ID)

	full := disks.Of("dbserver-1").Fail(fault.Calls{
		Kinds: fault.Write, Path: func(path string) bool { return strings.Contains(path, ".pending") }, After: 4,
	}, syscall.ENOSPC)
	st := ended(t, c, begun(t, c, "download", remote))
	require.Positive(t, full.Met(), "the disk was not full")
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

	full.End()
	transferred(t, c, "download", remote)
	require.NoError(t, c.clients[1].Backup(t.Context(), "restore", map[string]any{"id": b.ID}, &backup.RestoreResult{}))
	all, err := readDocuments(t.Context(), c.db(0), "people")
	require.NoError(t, err)
	require.Equal(t, docs, all)
}
