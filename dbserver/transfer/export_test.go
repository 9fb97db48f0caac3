package transfer

import (
	"context"

	"stasis/dbserver/backup"
	dbclient "stasis/dbserver/client"
)

// Mover moves pieces without a manager.
type Mover struct{ m *mover }

// NewMover makes one that works on one file at a time, so that tests know the order
// of its calls.
func NewMover(r Remote, pieces *backup.Store, t Timing) Mover {
	t = t.withDefaults()
	return Mover{&mover{remote: patient{r, t}, pieces: pieces, timing: t, progress: &progress{}, atOnce: 1}}
}

// Parallel lets it work on several files at once.
func (m Mover) Parallel(n int) Mover { m.m.atOnce = n; return m }

// Limit sets a bandwidth.
func (m Mover) Limit(bytesPerSecond int64) Mover { m.m.limit = newLimiter(bytesPerSecond); return m }

// Upload sends a piece.
func (m Mover) Upload(ctx context.Context, id string, servers ...string) error {
	return m.m.upload(ctx, id, servers)
}

// Download fetches a piece.
func (m Mover) Download(ctx context.Context, id, source string) error {
	return m.m.download(ctx, id, source)
}

// Moved are the bytes that went through the network.
func (m Mover) Moved() int64 { return m.m.progress.look().BytesMoved }

// Keeper keeps order without a manager.
type Keeper struct{ k *keeper }

// NewKeeper makes one.
func NewKeeper(r Remote, t Timing) Keeper {
	t = t.withDefaults()
	return Keeper{&keeper{remote: patient{r, t}, timing: t}}
}

// List lists.
func (k Keeper) List(ctx context.Context) ([]dbclient.RemoteBackup, error) { return k.k.list(ctx, "") }

// Verify verifies all.
func (k Keeper) Verify(ctx context.Context) ([]string, error) {
	v, err := k.k.verify(ctx, "")
	return v.problems, err
}

// Prune prunes.
func (k Keeper) Prune(ctx context.Context) (removed int, err error) {
	p, err := k.k.prune(ctx)
	return p.removed, err
}

// Delete deletes a backup, without its blobs.
func (k Keeper) Delete(ctx context.Context, id string) error {
	_, err := k.k.remove(ctx, id)
	return err
}

// Sessions opens a session as an upload of somebody who then dies.
func DeadUpload(ctx context.Context, r Remote, id, server string) error {
	return putBytes(ctx, r, uploadPrefix(id, server)+"dead.0", []byte(`{"about":"a dead upload"}`))
}

// BlobName is where content lies.
func BlobName(sum string) string { return blobName(sum) }
