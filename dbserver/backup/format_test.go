package backup

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/dbserver/shard"
	"stasis/internal/datadir"
	"stasis/internal/fixture"
)

// The directory of a DB server of an earlier version: its engine opens at its epoch with
// its shards; its pieces are listed and intact; each is staged, and one swapped in.
func TestServerOfEarlierFormat(t *testing.T) {
	formats, err := fixture.Formats()
	require.NoError(t, err)
	require.NotEmpty(t, formats)
	for _, format := range formats {
		t.Run(format, func(t *testing.T) {
			root := t.TempDir()
			require.NoError(t, fixture.Unpack(format, "cluster.tar.gz", root))
			dir := filepath.Join(root, "dbserver-1")
			id, err := datadir.Owner(vfs.Default, dir)
			require.NoError(t, err)
			store, err := Open(Config{Dir: dir, ServerID: id, Version: "1", Engine: testOptions, Logger: hclog.NewNullLogger()})
			require.NoError(t, err)

			epoch, shards := openedEngine(t, store.EngineDir())
			require.EqualValues(t, 1, epoch)
			require.NotEmpty(t, shards)
			pieces, err := store.Published.List(dbclient.ListRequest{})
			require.NoError(t, err)
			require.Len(t, pieces, 3)
			for _, p := range pieces {
				v, err := store.Published.Verify(t.Context(), p.ID)
				require.NoError(t, err)
				require.Empty(t, v.Problems, p.ID)
			}
			req := dbclient.StageRequest{
				Source: id, Epoch: epoch + 1, Nonce: "n", FailsafeID: "2030-01-01T00.00.00Z_failsafe",
				FailsafeTime: "2030-01-01T00:00:00Z", NrDBServers: 1, FailsafeDump: json.RawMessage(`{}`),
			}
			for _, p := range pieces { // what is staged last is swapped in
				req.ID = p.ID
				require.NoError(t, store.Restores.Stage(t.Context(), req), p.ID)
			}
			swapped, err := store.Restores.FinishSwap(req.Epoch, req.Nonce)
			require.NoError(t, err)
			require.True(t, swapped)
			epoch, restored := openedEngine(t, store.EngineDir())
			require.Equal(t, req.Epoch, epoch)
			require.NotEmpty(t, restored)
		})
	}
}

// openedEngine opens an engine and says what is in it.
func openedEngine(t *testing.T, dir string) (epoch uint64, shards []string) {
	t.Helper()
	options := testOptions
	options.FS, options.Logger, options.MustExist = vfs.Default, hclog.NewNullLogger(), true
	e, err := engine.Open(dir, options)
	require.NoError(t, err)
	shards, err = shard.Names(e)
	require.NoError(t, err)
	epoch = e.Epoch()
	require.NoError(t, e.Close())
	return epoch, shards
}
