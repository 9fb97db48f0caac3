package repository

import (
	"context"
	"time"

	"stasis/dbserver/transfer/storage"
	"stasis/internal/wall"
)

// Repository has the backups at one remote. Its methods may be called from any goroutine,
// and by any number of servers at once.
type Repository struct {
	Wall wall.Clock // for what is written down as a time; nil is the system's

	plain  storage.Remote // for calls that are repeated together with others
	remote storage.Remote // repeats its calls
	retry  storage.Retry
	lease  time.Duration // a session that has not changed for so long is dead
}

// New makes the repository at a remote, whose calls it repeats as retry says.
func New(r storage.Remote, retry storage.Retry, lease time.Duration) *Repository {
	return &Repository{plain: r, remote: storage.Retrying(r, retry), retry: retry, lease: lease}
}

// Retry repeats a call, or several together, as the repository repeats its own.
func (r *Repository) Retry(ctx context.Context, do func() error) error { return r.retry.Do(ctx, do) }

// Close gives the remote back.
func (r *Repository) Close() error { return r.remote.Close() }
