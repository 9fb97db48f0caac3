package integration

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/coordinator/backup"
)

// A DB server is removed from the cluster while it is down, a backup is deleted, and the server
// comes back with its directory. Nothing in the agency waits for it meanwhile. Its piece
// of the backup that was kept makes that one whole again; its piece of the deleted one
// is listed nowhere and gone.
func TestRemovedServerComesBack(t *testing.T) {
	inBubble(t, 31, func(b *bubble) {
		b.create1("c", 2, 1)
		ctx := b.t.Context()
		all, _, err := b.shards(ctx)
		require.NoError(b.t, err)
		idle := ""
		for id := range b.names {
			if !slices.Contains(all[b.leading(b.t).shard].plan, id) {
				idle = id
			}
		}
		name := b.names[idle]
		var kept, deleted backup.CreateResult
		require.NoError(b.t, b.backup("create", map[string]any{"label": "kept"}, &kept))
		require.NoError(b.t, b.backup("create", map[string]any{"label": "deleted"}, &deleted))
		require.NoError(b.t, b.Kill(name))
		b.await(time.Minute, func() error {
			return b.clients[0].Do(ctx, "POST", "/_admin/cluster/removeServer", idle, nil)
		})
		require.NoError(b.t, b.backup("delete", map[string]any{"id": deleted.ID}, &backup.DeleteResult{}))
		root, err := b.agency.Read(ctx, keys.HotBackup, keys.RemovedServers)
		require.NoError(b.t, err)
		require.False(b.t, root.At(keys.HotBackupDeleted+"/"+idle).Exists(), "nothing waits for it")
		require.True(b.t, root.At(keys.ServerRemoved(idle)).Exists())
		require.Equal(b.t, 2, b.list().List[kept.ID].NrPiecesPresent)

		b.restart(name)
		b.await(time.Minute, func() error {
			if list := b.list(); len(list.List) != 1 || !list.List[kept.ID].Available {
				return errors.New("not whole yet")
			}
			return nil
		})
		names, err := b.fs(name).List(name + "/backups")
		require.NoError(b.t, err)
		require.Equal(b.t, []string{kept.ID}, names)
		root, err = b.agency.Read(ctx, keys.RemovedServers)
		require.NoError(b.t, err)
		require.False(b.t, root.At(keys.ServerRemoved(idle)).Exists())
		require.NoError(b.t, b.backup("restore", map[string]any{"id": kept.ID}, &backup.RestoreResult{}))
		b.heal()
	})
}
