package topology

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/fanout"
	"stasis/coordinator/backup/lock"
	"stasis/coordinator/backup/operation"
	"stasis/internal/apierror"
)

// Agency is the part of the agency that a Reader uses. Read is linearizable.
type Agency interface {
	Read(ctx context.Context, paths ...string) (*agencyclient.Node, error)
	Config(ctx context.Context) (agencyclient.Config, error)
}

// Cache is the watch cache.
type Cache interface {
	Snapshot() agencyclient.Snapshot
	Sync(ctx context.Context) (agencyclient.Snapshot, error)
}

// Reader reads the cluster. Any goroutine may use it.
type Reader struct {
	Agency Agency
	Cache  Cache
	Call   time.Duration // bounds one call to the agency
	Log    hclog.Logger
}

// Locked reads the cluster under the agency lock, linearizably. It sees the lock, so Plan is that
// of the lock's index and cannot change. [lock.ErrLost]: the lock was lost.
func (r *Reader) Locked(ctx context.Context, held *lock.Lock) (*Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, r.Call)
	defer cancel()
	root, err := r.Agency.Read(ctx, paths...)
	if err != nil {
		return nil, operation.AgencyError(fmt.Errorf("read Plan: %w", err))
	}
	if root.At(keys.HotBackupNonce).Text() != held.Nonce() {
		return nil, lock.ErrLost
	}
	config, err := r.Agency.Config(ctx)
	if err != nil {
		return nil, operation.AgencyError(fmt.Errorf("read the agency's term: %w", err))
	}
	c, err := parse(root)
	if err != nil {
		return nil, err
	}
	c.Index, c.Term = held.Index(), config.Term
	return c, nil
}

// Latest returns the cluster at least as new as the call, and the tree from which it was read. It
// fails with [apierror.ServiceUnavailable] if the agency does not answer.
func (r *Reader) Latest(ctx context.Context) (*Cluster, *agencyclient.Node, error) {
	wait, cancel := context.WithTimeout(ctx, r.Call)
	defer cancel()
	snapshot, err := r.Cache.Sync(wait)
	if err != nil {
		return nil, nil, operation.AgencyError(fmt.Errorf("read Plan: %w", err))
	}
	c, err := parse(snapshot.Root)
	if err != nil {
		return nil, nil, apierror.New(apierror.BackupServersMissing, "%w", err)
	}
	return c, snapshot.Root, nil
}

// knownWait bounds how long Known waits for the agency.
const knownWait = time.Second

// Known returns the cluster as this coordinator knows it. latest says whether that is at least as
// new as the call. If not, the agency did not answer within a second.
func (r *Reader) Known(ctx context.Context) (c *Cluster, latest bool, err error) {
	wait, cancel := context.WithTimeout(ctx, knownWait)
	defer cancel()
	snapshot, syncErr := r.Cache.Sync(wait)
	if syncErr != nil {
		r.Log.Debug("the agency does not answer; using the cache, which may be behind", "error", syncErr)
		snapshot = r.Cache.Snapshot()
	}
	c, err = parse(snapshot.Root)
	if err != nil {
		return nil, false, apierror.New(apierror.BackupServersMissing, "%w", err)
	}
	return c, syncErr == nil, nil
}

// Departed returns the members that have left Plan since the cluster was read. ctx may have ended.
func (r *Reader) Departed(ctx context.Context, members []fanout.Member) (ids []string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.Call)
	defer cancel()
	root, err := r.Agency.Read(ctx, keys.PlanDBServers)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		if !root.At(keys.PlanDBServers + "/" + m.ID).Exists() {
			ids = append(ids, m.ID)
		}
	}
	return ids, nil
}
