package backup

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// arrive brings a piece from one store to another.
func arrive(from, to *Store, id string, c piece.Content) error {
	r, err := to.Incoming.Receive(context.Background(), c)
	if err != nil {
		return err
	}
	for _, f := range c.Files {
		here, err := r.Have(context.Background(), f)
		if err == nil && !here {
			var in io.ReadCloser
			if in, err = from.Published.OpenFile(id, f.Name); err == nil {
				err = errors.Join(r.Write(context.Background(), f, in), in.Close())
			}
		}
		if err != nil {
			return err
		}
	}
	return to.Incoming.Publish(context.Background(), r)
}

// A piece that arrives is listed when all of it is there and durable, and not before,
// whatever operation of the disk fails or is the last one before the power goes. The
// next attempt finishes it. Attempts.Resolve leaves it alone.
func TestReceiveFailsAndCrashesAtEveryOperation(t *testing.T) {
	source := newServer(t, vfs.NewMem())
	source.small = true
	source.put(0, 20)
	source.publish(testID, "n")
	content, err := source.store.Published.Content(t.Context(), testID)
	require.NoError(t, err)
	for n := 1; ; n++ {
		disk := vfs.NewCrashableMem()
		f := &fault{err: errors.New("disk fault"), want: func(op errorfs.Op) bool { return op.Kind.ReadOrWrite() == errorfs.OpIsWrite }}
		target := openStore(t, f.wrap(disk))
		f.arm(n)
		err := arrive(source.store, target, testID, content)
		crashed := disk.CrashClone(vfs.CrashCloneCfg{})
		fired := f.arm(0)
		for _, fs := range []vfs.FS{disk, crashed} {
			again := openStore(t, fs)
			if ids := listed(t, again); len(ids) > 0 {
				requireIntact(t, again, testID)
				continue
			}
			require.Error(t, err, "published, and gone after a crash")
			pending, perr := again.Attempts.Pending()
			require.NoError(t, perr)
			require.Empty(t, pending, "nothing for the agency to decide")
			require.NoError(t, arrive(source.store, again, testID, content), "operation %d", n)
			requireIntact(t, again, testID)
		}
		if !fired {
			require.NoError(t, err)
			require.Greater(t, n, 20)
			return
		}
	}
}

// What is announced must be a piece, and what comes must be what was announced.
func TestReceiveRefuses(t *testing.T) {
	source := newServer(t, vfs.NewMem())
	source.put(0, 20)
	source.publish(testID, "n")
	content, err := source.store.Published.Content(t.Context(), testID)
	require.NoError(t, err)
	for _, name := range []string{"../x", "engine/../../x", "engine/LOCK", "engine/RESTORED", "ATTEMPT", "engine/a/b", "/etc/passwd", "engine/"} {
		bad := content
		bad.Files = append([]piece.File{{Name: name, SHA256: content.Files[0].SHA256}}, content.Files...)
		_, err := openStore(t, vfs.NewMem()).Incoming.Receive(context.Background(), bad)
		require.ErrorIs(t, err, apierror.BackupDownload, name)
	}
	target := openStore(t, vfs.NewMem())
	r, err := target.Incoming.Receive(context.Background(), content)
	require.NoError(t, err)
	f := content.Files[slices.IndexFunc(content.Files, func(f piece.File) bool { return f.Size > 0 })]
	for _, wrong := range [][]byte{nil, make([]byte, f.Size), make([]byte, f.Size+1)} {
		require.ErrorIs(t, r.Write(t.Context(), f, bytes.NewReader(wrong)), ErrContent, "damaged content is received")
	}
	require.Error(t, target.Incoming.Publish(t.Context(), r), "not all is here")
	require.Empty(t, listed(t, target))
	_, err = target.Published.List(dbclient.ListRequest{IDs: []string{testID + ".pending"}})
	require.NoError(t, err)
	require.NoError(t, target.Incoming.Discard(t.Context(), testID))
	require.NoError(t, arrive(source.store, target, testID, content))
	_, err = target.Incoming.Receive(context.Background(), content)
	require.ErrorIs(t, err, apierror.BackupConflict)
}
