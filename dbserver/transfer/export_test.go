package transfer

import (
	"context"

	"stasis/client/certificate"
	"stasis/dbserver/backup"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer/repository"
	"stasis/dbserver/transfer/storage"
)

// Mover moves pieces without a manager.
type Mover struct{ m *mover }

// NewMover makes one that works on one file at a time, so that tests know the order
// of its calls.
func NewMover(r storage.Remote, pieces *backup.Store, t Timing) Mover {
	return Mover{&mover{remote: newRepository(r, t), pieces: pieces, progress: &progress{}, atOnce: 1}}
}

// Parallel lets it work on several files at once.
func (m Mover) Parallel(n int) Mover { m.m.atOnce = n; return m }

// Limit sets a bandwidth.
func (m Mover) Limit(bytesPerSecond int64) Mover {
	m.m.limit = storage.NewLimiter(bytesPerSecond)
	return m
}

// Trusting has downloads judge signatures.
func (m Mover) Trusting(trust certificate.Trust) Mover { m.m.trust = trust; return m }

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

// Repository is one as a manager makes it, with the results that tests need.
type Repository struct{ r *repository.Repository }

// NewRepository makes one.
func NewRepository(r storage.Remote, t Timing) Repository { return Repository{newRepository(r, t)} }

func newRepository(r storage.Remote, t Timing) *repository.Repository {
	t = t.withDefaults()
	return repository.New(r, t.ofRemote(), t.Lease)
}

// List lists.
func (r Repository) List(ctx context.Context) ([]dbclient.RemoteBackup, error) {
	return r.r.List(ctx, "")
}

// Verify verifies all.
func (r Repository) Verify(ctx context.Context) ([]string, error) {
	v, err := r.r.Verify(ctx, "", certificate.Trust{})
	return v.Problems, err
}

// VerifyTrusting verifies one, with its signature.
func (r Repository) VerifyTrusting(ctx context.Context, id string, trust certificate.Trust) (repository.Verified, error) {
	return r.r.Verify(ctx, id, trust)
}

// Prune prunes.
func (r Repository) Prune(ctx context.Context) (removed int, err error) {
	p, err := r.r.Prune(ctx)
	return p.Removed, err
}

// Delete deletes a backup, without its blobs.
func (r Repository) Delete(ctx context.Context, id string) error {
	_, err := r.r.Delete(ctx, id)
	return err
}

// Removing calls remove as the removal of a backup.
func (m *Manager) Removing(ctx context.Context, id string, remove func() error) error {
	return m.arrivals.unlessDownloading(ctx, id, remove)
}
