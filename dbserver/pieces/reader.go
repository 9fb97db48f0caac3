package pieces

import (
	"context"
	"fmt"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// Reader reads what the agency has of backups and restores.
type Reader struct {
	id      string // of this server
	agency  *agencyclient.Client
	cache   *agencyclient.Cache
	timeout time.Duration
}

// NewReader reads for the server id. timeout bounds one question to the agency.
func NewReader(id string, agency *agencyclient.Client, cache *agencyclient.Cache, timeout time.Duration) *Reader {
	return &Reader{id: id, agency: agency, cache: cache, timeout: timeout}
}

// Read asks the agency itself, not the cache.
func (r *Reader) Read(ctx context.Context) (Record, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	root, err := r.agency.Read(ctx, keys.HotBackup, keys.RestoreEpoch)
	if failpoint.Off("agency-not-cache") {
		root = r.cache.Snapshot().Root
	}
	if err != nil {
		return Record{}, fmt.Errorf("read the agency lock: %w", err)
	}
	return RecordIn(root, r.id)
}

// cached is what the cache has; it may be behind.
func (r *Reader) cached() (Record, error) { return RecordIn(r.cache.Snapshot().Root, r.id) }

// UnderLock is UnderLockWithin the reader's timeout.
func (r *Reader) UnderLock(ctx context.Context, id, nonce string) error {
	return r.UnderLockWithin(ctx, id, nonce, r.timeout)
}

// UnderLockWithin is nil if a backup's nonce holds the agency lock. A nonce that the cache does
// not have may be newer than the cache, so the cache is brought up to date first, for at most
// patience. [apierror.BackupConflict]: the nonce does not hold the lock.
// [apierror.ServiceUnavailable]: that cannot be told now.
func (r *Reader) UnderLockWithin(ctx context.Context, id, nonce string, patience time.Duration) error {
	if nonce == "" {
		return apierror.New(apierror.BadParameter, "backup %q names no nonce", id)
	}
	if Creator(r.cache.Snapshot().Root) == nonce || failpoint.Off("backup-under-lock") {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	now, err := r.cache.Sync(ctx)
	if err != nil {
		return apierror.New(apierror.ServiceUnavailable,
			"whether backup %s holds the agency lock is not known: %s is cut off from the agency, or the agency has no leader: %w", id, r.id, err)
	}
	if Creator(now.Root) != nonce {
		return apierror.New(apierror.BackupConflict, "backup %s does not hold the agency lock with the nonce that it names", id)
	}
	return nil
}

// AwaitLost returns nil when a nonce does not hold the agency lock any more. The cache never
// goes back, so a nonce that has lost the lock has lost it for good. It returns an error when
// ctx ends before.
func (r *Reader) AwaitLost(ctx context.Context, nonce string) error {
	_, err := r.cache.Wait(ctx, func(now agencyclient.Snapshot) bool { return Creator(now.Root) != nonce })
	return err
}

// BackupRuns says whether some backup holds the agency lock, as far as this server has heard. A backup
// asks for no gate before every server has heard of it, see UnderLock.
func (r *Reader) BackupRuns() bool { return Creator(r.cache.Snapshot().Root) != "" }
