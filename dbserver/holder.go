package dbserver

import (
	"context"
	"time"

	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/gate"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// gatePatience bounds how long a lock of the gate waits for the agency's word on its nonce.
// The coordinator has to hear the answer before it takes this server for silent.
const gatePatience = dbclient.GateSilence / 2

// creator is the nonce of the backup that holds the agency lock; "" if none does. A
// holder's record without the lock itself holds nothing, and a restore needs no gate.
func creator(root *node) string {
	if !root.At(keys.HotBackupCreate).Exists() || root.At(keys.HotBackupHolder+"/operation").Text() != keys.OperationCreate {
		return ""
	}
	return root.At(keys.HotBackupNonce).Text()
}

// underLock refuses what is asked for in the name of a backup unless the backup's nonce is
// the one that holds the agency lock: what it asks for holds up writers, or fills the
// disk. A nonce that the cache does not have may be a new one, so the cache is brought up
// to date first, for as long as patience allows. BackupConflict: the nonce does not hold the
// lock. ServiceUnavailable: that is not known here just now.
func (s *Server) underLock(ctx context.Context, id, nonce string, patience time.Duration) error {
	if nonce == "" {
		return apierror.New(apierror.BadParameter, "backup %q names no nonce", id)
	}
	if creator(s.cache.Snapshot().Root) == nonce || failpoint.Off("backup-under-lock") {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	now, err := s.cache.Sync(ctx)
	if err != nil {
		return apierror.New(apierror.ServiceUnavailable,
			"whether backup %s holds the agency lock is not known: %s is cut off from the agency, or the agency has no leader: %w", id, s.id, err)
	}
	if creator(now.Root) != nonce {
		return apierror.New(apierror.BackupConflict, "backup %s does not hold the agency lock with the nonce that it names", id)
	}
	return nil
}

// endWithHolder ends a lock of the gate when its backup has lost the agency lock: it cannot
// be committed, and need not keep writers until its lease ends. The cache never goes back,
// so a holder that has gone has gone. It returns when ctx ends, which is when the lock has
// ended or this server stops.
func (s *Server) endWithHolder(ctx context.Context, lock *gate.Lock, nonce string) {
	_, err := s.cache.Wait(ctx, func(now snapshot) bool { return creator(now.Root) != nonce })
	if err == nil && !failpoint.Off("gate-opens-with-lock") {
		lock.Break("its backup does not hold the agency lock any more")
	}
}
