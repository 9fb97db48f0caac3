package transfer_test

import (
	"context"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/dbserver/transfer"
	"stasis/dbserver/transfer/remotetest"
	"stasis/dbserver/transfer/repository"
)

// callsForBlobs counts what a remote is asked about blobs, by kind of call.
func callsForBlobs(m *remotetest.Memory, do func()) map[string]int {
	var mu sync.Mutex
	calls := map[string]int{}
	m.Hook = func(_ context.Context, c remotetest.Call) error {
		mu.Lock()
		defer mu.Unlock()
		if c.Name == "blobs" || strings.HasPrefix(c.Name, "blobs/") {
			calls[c.Op]++
		}
		return nil
	}
	do()
	m.Hook = nil
	return calls
}

// A remote that paces its calls makes each of them cost as much as a small file. Where
// nothing is yet, nothing is looked for but the folders; where something is, each folder
// is listed once, and a blob is asked for by itself only where it would be alone.
func TestFewCallsForBlobs(t *testing.T) {
	m := remotetest.NewMemory()
	a := newShop(t, "PRMR-a")
	a.put(3000, 3000)
	a.backup(first, "PRMR-a")
	content, err := a.store.Published.Content(t.Context(), first)
	require.NoError(t, err)
	blobs, wanted, empty := map[string]bool{}, map[string]int{}, 0
	for _, f := range content.Files {
		if f.Size == 0 {
			empty++
		}
		if !blobs[f.SHA256] {
			wanted[path.Dir(repository.BlobName(f.SHA256))]++
		}
		blobs[f.SHA256] = true
	}
	listed, alone := 0, 0
	for _, n := range wanted {
		if n > 1 {
			listed++
		}
	}
	for _, f := range content.Files { // some have the same content
		if wanted[path.Dir(repository.BlobName(f.SHA256))] == 1 {
			alone++
		}
	}
	require.Positive(t, listed)
	require.Positive(t, empty)

	slow := brisk
	slow.Lease = time.Minute // one session, however slow this machine is
	send := func() {
		require.NoError(t, transfer.NewMover(m.Remote(), a.store, slow).Upload(t.Context(), first, "PRMR-a"))
	}
	require.Equal(t, map[string]int{"folders": 1, "put": len(blobs)}, callsForBlobs(m, send))
	// The second time they are looked for before the manifest and once more after it.
	again := callsForBlobs(m, send)
	require.Equal(t, 2, again["folders"])
	require.Equal(t, 2*listed, again["list"])
	require.Equal(t, 2*alone, again["stat"])
	require.Zero(t, again["put"])

	c := emptyShop(t, vfs.NewMem(), "PRMR-c")
	down := callsForBlobs(m, func() {
		require.NoError(t, transfer.NewMover(m.Remote(), c.store, brisk).Download(t.Context(), first, "PRMR-a"))
	})
	require.Zero(t, down["stat"])
	require.Zero(t, down["folders"])
	require.LessOrEqual(t, down["open"], len(content.Files)-empty, "what is empty is not fetched")
	c.intact(first)
	require.Equal(t, a.files(first), c.files(first))
}
