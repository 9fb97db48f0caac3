package transfer_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/dbserver/transfer"
	"stasis/dbserver/transfer/remotetest"
)

// Two servers that finish together both write the backup's manifest, the same. Where
// replacing an object shows a part of it for a moment, as a plain WebDAV server's PUT
// does, the one that reads it back just then looks again instead of failing.
func TestManifestIsReplacedWhileItIsReadBack(t *testing.T) {
	a := newShop(t, "PRMR-a")
	a.put(20, 3000)
	a.backup(first, "PRMR-a")
	m := remotetest.NewMemory()
	name, met := first+"/BACKUP.json", atomic.Int64{}
	m.Hook = func(_ context.Context, c remotetest.Call) error {
		if c.Op != "open" || c.Name != name {
			return nil
		}
		whole := m.Objects()[name]
		switch met.Add(1) {
		case 1: // the other one has begun to write
			m.Change("spare", whole)
			m.Change(name, whole[:len(whole)/2])
		case 2: // and has ended
			m.Change(name, m.Objects()["spare"])
		}
		return nil
	}
	require.NoError(t, transfer.NewMover(m.Remote(), a.store, brisk).Upload(t.Context(), first, "PRMR-a"))
	require.Greater(t, met.Load(), int64(1))
}
